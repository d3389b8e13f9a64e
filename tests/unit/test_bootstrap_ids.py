import logging
import re

from openlockbox.bootstrap import log_with_fields, new_id, new_secret


def test_an_id_for_people_has_40_bits_in_groups():
    assert re.fullmatch(r"LBX-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", new_id("LBX"))


def test_ids_that_must_not_be_guessed_have_120_bits():
    for prefix in ("SES", "GRT", "TOK"):
        assert re.fullmatch(rf"{prefix}-[0-9A-HJKMNP-TV-Z]{{24}}", new_id(prefix))


def test_ids_and_secrets_do_not_repeat():
    assert len({new_id("GRT") for _ in range(1000)}) == 1000
    assert len({new_secret() for _ in range(1000)}) == 1000


def test_a_log_line_has_its_process_and_fields_and_none_can_fake_another(capsys):
    handlers = logging.root.handlers[:]
    level = logging.root.level
    try:
        log_with_fields("web")
        logging.getLogger("elsewhere").info("thing.happened", extra={"name_of_it": 'x" code=1\nnext'})
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "info thing.happened" in line
    assert "service=web" in line
    assert r'name_of_it="x\" code=1\nnext"' in line
