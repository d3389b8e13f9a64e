"""Ways in for people. Each implements `SignInMethod`; none of them decides what a signed-in person may do."""
