"""Shipped for whoever tests OpenLockbox or an adapter of it: fakes that pass the conformance suites, and the suites."""
