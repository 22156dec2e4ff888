"""
The practice register: behaves like KVK's API, with companies that do not exist.

For learning, demos and tests. :mod:`.app` is the server as an ASGI app, :mod:`.serve` puts it
on a port, :mod:`.population` says which numbers exist and what is known of them, :mod:`.faults`
scripts what goes wrong. Nothing here is real: names, towns and people are invented, only KVK's
own published test numbers are the same as theirs (with other data).
"""
