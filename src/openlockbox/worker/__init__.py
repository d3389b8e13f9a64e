"""What happens by itself: mails go out and deadlines are written down. Decides nothing; any number of workers may run."""
