"""The portal: server-rendered pages for people. Parses, calls a service, renders; decides nothing."""
