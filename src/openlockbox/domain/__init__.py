"""The rules of a Customer Lockbox. Pure: standard library only, `now` is always an argument, no I/O ever."""
