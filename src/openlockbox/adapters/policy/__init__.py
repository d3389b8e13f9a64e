"""The JIT rules in Cedar: default policy set, start-up checks and the engine. Decides nothing that a policy does not say."""
