"""The command line `lockbox …`: parses, calls a use case, prints. A branch that is not about words belongs elsewhere."""
