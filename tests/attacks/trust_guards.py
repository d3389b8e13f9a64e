"""The guards that hold against a provider in an attacker's hands, which no row of the table names, and how the code reads without them.

The steps of a grant's verification (grants/verify.py, approval.py, presence.py, verification/logged.py) are taken out one by one, all
of them, by tests/unit/grants/test_guards.py; here is what it does not reach, and what an attack of this directory names.
"""

from typing import Final

from tests.attacks.mutation import Guard, attack

VECTOR: Final = "unit/grants/test_vectors.py::test_the_verifier_gives_the_expected_answer"
ROSTER: Final = "unit/grants/test_roster.py::test_"
ASSERTION: Final = "unit/grants/test_assertion.py::test_"
START: Final = "unit/gateway/test_start.py::test_"
PINS: Final = "unit/gateway/test_pins.py::test_"
TRUST_CORE: Final = "integration/gateway/core/test_trust_core.py::test_"

SIGNATURES: Final = (
    Guard(0, "unsigned decisions end with the roster", "services/statements.py",
          "    if is_strict(roster):\n        raise SignatureRequired\n", "    return\n",
          attack(0, "without_a_signature_nothing_is_decided_once_there_is_a_roster")),
    Guard(0, "an addition does not count for what waits", "services/statements.py",
          "    if key.added_in > displayed.roster_version:\n        raise KeyAddedLater\n", "",
          attack(0, "a_key_added_after_the_request_does_not_count_for_it")),
    Guard(0, "a removal counts at once", "services/statements.py",
          "return [key for key in roster.keys if key.principal_id == work.principal.id and key.key_id in held]",
          "return [key for key in signing_keys(work.uow, work.principal.id)]",
          attack(0, "a_removed_key_counts_no_more_at_once")),
    Guard(0, "the signature is checked", "services/statements.py",
          "    except SignatureRefused:\n        return False\n", "    except SignatureRefused:\n        return True\n",
          attack(25, "a_decision_without_the_owner_verified_does_not_count")),
    Guard(0, "the first roster needs the customer's code", "services/roster.py",
          "        except NotFound:\n            raise RosterCodeWrong from None\n", "        except NotFound:\n            pass\n",
          attack(0, "the_first_roster_needs_the_code_that_the_customer_was_given")),
    Guard(0, "a roster follows the one before", "services/roster.py",
          "check_first(opened) if old is None else check_change(old, opened)",
          "check_first(opened) if old is None else opened.roster",
          attack(0, "only_a_key_on_the_roster_changes_it")),
    Guard(0, "the engineer has a key", "services/lockbox_requests.py", "            raise EngineerKeyRequired\n", "            pass\n",
          attack(0, "an_engineer_without_a_key_asks_for_nothing_once_there_is_a_roster")),
)  # fmt: skip

ROSTER_RULES: Final = tuple(
    Guard(0, name, "grants/roster.py", text, without, ROSTER + test)
    for name, text, without, test in (
        ("roster of this tenant", "    if new.tenant_id != old.tenant_id:\n", "    if False:\n",
         "a_version_that_does_not_follow_is_refused"),
        ("roster: next version", "    if new.version != old.version + 1:\n", "    if False:\n",
         "a_version_that_does_not_follow_is_refused"),
        ("roster: made of the one before", "    if new.previous != old.digest:\n", "    if False:\n",
         "a_version_that_does_not_follow_is_refused"),
        ("roster: not earlier", "    if new.at < old.at:\n", "    if False:\n", "time_may_stand_still_but_not_go_back"),
        ("roster: a kept key stays as it was", "if key != before.get(key.key_id, key) or (", "if (",
         "a_version_that_does_not_follow_is_refused"),
        ("roster: a new key says that it is new", " or (key.key_id not in before and key.added_in != new.version):", ":",
         "a_key_that_comes_back_is_new"),
        ("roster: signed by the old keys", "    _check_signatures(old, text, signatures)\n",
         "    _check_signatures(new, text, signatures)\n", "a_new_key_does_not_vouch_for_itself"),
        ("roster: every signature holds", '            raise RosterRefused("roster_signature", error.code) from error\n',
         "            pass\n", "a_wrong_signature_among_right_ones_is_refused"),
        ("roster: rules need the quorum", "    needed = old.quorum if needs_quorum(old, new) else 1\n", "    needed = 1\n",
         "a_change_of_the_rules_needs_the_quorum_or_a_recovery_key"),
        ("roster: additions need the quorum", "    return bool(added) or rules(old)", "    return rules(old)",
         "an_addition_needs_the_quorum_or_one_person_could_become_it"),
        ("roster: the quorum is of people", "    if len(people) < needed", "    if len(signatures) < needed",
         "two_keys_of_one_person_are_no_quorum_of_two"),
        ("roster: unsigned decisions need the quorum", " or (new.unsigned_decisions and not old.unsigned_decisions)", "",
         "a_change_of_the_rules_needs_the_quorum_or_a_recovery_key"),
        ("roster: a recovery key begins none", "    if not any(roster.find(s.key_id) for s in signatures):\n", "    if False:\n",
         "the_first_is_signed_by_a_key_on_itself"),
        ("roster: the root", "        if first.digest != root:\n", "        if False:\n", "a_chain_is_followed_from_its_root"),
    )
)  # fmt: skip

ASSERTIONS: Final = tuple(
    Guard(0, f"assertion: {name}", "grants/assertion.py", text, without, ASSERTION + test)
    for name, text, without, test in (
        ("kind", '    if client_data.get("type") != "webauthn.get":\n', "    if False:\n",
         "client_data_of_another_kind_is_refused"),
        ("statement", 'challenge.encode("utf-8", "replace"), expected.encode()\n', "b'', b''\n",
         "a_signature_counts_for_one_statement_only"),
        ("page", 'client_data.get("origin") not in tuple(origins):', "False:",
         "what_the_library_refuses_is_refused_here"),
        ("frame", '    if client_data.get("crossOrigin", False) is not False:\n', "    if False:\n",
         "an_assertion_from_within_another_site_is_refused"),
        ("site", ' or data[:_RP_ID_HASH] != hashlib.sha256(rp_id.encode("utf-8")).digest():\n', ":\n",
         "what_the_library_refuses_is_refused_here"),
        ("present", "if not data[_FLAGS] & _USER_PRESENT or not", "if not", "what_the_library_refuses_is_refused_here"),
        ("key", "            key.verify(signature, signed, ECDSA(SHA256()))\n", "            pass\n",
         "another_keys_signature_is_wrong"),
        ("automation's prefix", "key.verify(signature, STATEMENT_PREFIX + statement", "key.verify(signature, statement",
         "an_automations_signature_counts_for_its_key_and_its_statement"),
    )
)  # fmt: skip

LOGGED: Final = (
    Guard(0, "a roster that is pinned is shown", "grants/approval.py",
          "bool(signed_rosters) or not (pin.roster_root or pin.roster_version)", "True",
          f"{VECTOR}[roster_hidden_and_decision_unsigned]"),
    Guard(0, "first contact", "gateway/pins.py", "TenantPin(tenant_id=tenant_id) if self._first_contact else None",
          "TenantPin(tenant_id=tenant_id)", f"{PINS}an_unknown_tenant_is_pinned_only_where_a_first_contact_is_allowed"),
    Guard(0, "a pin goes forward", "gateway/pins.py", "if old is not None and not pin.follows(old):", "if False:",
          f"{PINS}a_pin_never_goes_back"),
    Guard(0, "a damaged pin is no first contact", "gateway/pins.py",
          '            raise PinUnusable(f"{path}: {error}") from error\n', "            raise FileNotFoundError from error\n",
          f"{PINS}a_damaged_pin_is_no_first_contact"),
    Guard(0, "displayed is what was signed", "grants/approval.py", "digest(grant.displayed) == grant.request_digest", "True",
          attack(0, "a_displayed_text_of_the_attackers_own_is_not_what_was_signed")),
    Guard(0, "the log's checkpoint is signed", "verification/logged.py",
          "trust.checkpoint_keys.values()]", "{**trust.grant_keys, **trust.checkpoint_keys}.values()]",
          f"{VECTOR}[checkpoint_by_grants_key]"),
    Guard(0, "the approval stands in the log", "verification/logged.py",
          "    _include(shown.leaf, shown.index, shown.proof, checkpoint)\n", "",
          attack(0, "an_approval_that_is_not_in_the_log_opens_nothing")),
    Guard(0, "the log extends what was seen", "verification/logged.py",
          "            verify_consistency(pin.log_size, root, checkpoint.size, checkpoint.root, list(proof))\n",
          "            pass\n",
          attack(0, "a_gateway_that_saw_a_longer_log_believes_no_shorter_one")),
    Guard(0, "the log was not rolled back", "verification/logged.py",
          "            verify_consistency(checkpoint.size, checkpoint.root, pin.log_size, root, list(proof))\n",
          "            pass\n",
          attack(0, "a_gateway_that_saw_a_longer_log_believes_no_shorter_one")),
    Guard(0, "witnesses", "verification/logged.py", "len(seen_by) >= roster.witness_quorum", "True",
          f"{VECTOR}[witness_too_few]"),
    Guard(0, "the start stands in the log", "verification/logged.py",
          "    _include(recorded.leaf, recorded.index, recorded.inclusion, checkpoint)\n", "",
          f"{START}a_start_that_is_not_proved_is_refused"),
    Guard(0, "the start is this session's", "verification/logged.py", 'subject=f"session:{start.session_id}",',
          "subject=read_leaf(recorded.leaf).subject,", f"{START}a_start_that_is_not_proved_is_refused"),
    Guard(0, "the start is the gateway's own word", "verification/logged.py",
          '    refuse_unless(leaf.document == digest(document), code, "document")\n', "",
          f"{START}a_start_that_is_not_proved_is_refused"),
    Guard(0, "the entry of a start is true", "verification/logged.py",
          "    _check_words(read_leaf(recorded.leaf), start, about)\n", "",
          f"{START}a_start_that_is_not_proved_is_refused"),
    Guard(0, "a removal that was seen is kept", "gateway/admission.py",
          "            self._keep_seen_roster(held.pin, evidence)\n", "",
          f"{TRUST_CORE}a_removal_that_was_seen_is_not_forgotten_because_it_refused_the_connection"),
    Guard(0, "witnesses saw what the gateway saw", "verification/logged.py",
          "refuse_unless(checkpoint.size >= pin.log_size,", "refuse_unless(checkpoint.size >= 0,",
          f"{VECTOR}[witness_behind_the_gateway]"),
    Guard(0, "the start is new in the log", "verification/logged.py", "recorded.index >= pin.log_size", "True",
          f"{START}an_entry_of_before_does_not_count_again"),
    Guard(0, "the start is proved before a byte goes upstream", "gateway/gatekeeper.py",
          "                await asyncio.to_thread(\n                    self._admission.check_start,\n",
          "                await asyncio.to_thread(\n                    lambda *_, **__: None,\n",
          f"{TRUST_CORE}a_start_that_the_log_does_not_prove_does_not_happen"),
    Guard(0, "the gateway's word is checked before it is logged", "services/gateways.py",
          "            _check_statement(statement, gateway, offered, grant)\n", "",
          attack(0, "the_log_takes_no_start_that_the_gateway_did_not_sign")),
)  # fmt: skip

TRUST_GUARDS: Final = (*SIGNATURES, *ROSTER_RULES, *ASSERTIONS, *LOGGED)
