"""A stand-in for the Evolution API, for development, the demo, tests and benchmarks. Never for production.

It answers over HTTP as the real gateway (2.3.7, or 2.4.0-rc2 with `--plays`) was seen to answer, and delivers to
phones that are pages: `/phone` lists them, `/phone/instances` the connections. What the phones do comes back by
webhook as from the real one: receipts after a moment, replies, what is changed or taken back later, and what becomes
of the connection. It is started with `manage.py evolution_sandbox`, keeps everything in memory and, with `--data`,
its messages in a file.

Faults come on demand. A number whose last four digits are one of these always meets the same one:

    9001  not on WhatsApp                         9013  201 without key: Meta's rate limit (4)
    9002  400 ["Error: Connection Closed"]        9014  201 without key: recipient not allowed (131030)
    9003  500 "Connection Closed"                 9015  201 without key: another error of Meta (131000)
    9004  never paired                            9016  fails twice, then works
    9005  never connected                         9017  401
    9006  hangs, then sends                       9018  404 of the instance
    9007  hangs, sends nothing                    9019  502 with a proxy's HTML
    9008  sends, then resets the connection       9020  500, the gateway's database is down
    9009  resets the connection, sends nothing    9021  500 "Timed Out", sends nothing
    9010  500, sends nothing                      9022  sends, then 500
    9011  400 of the database: sent, not stored   9023  sends, then a receipt says ERROR
    9012  201 without key: Meta's token expired   9024  sends, and no receipt ever comes
    9025  never connected, 400                    9026  201 without key: outside 24 hours (131047)
    9027  201 without key: a code nobody knows

`POST /sandbox/options` sets the rest at run time: latency, error rate, a fault for the next sends, a
disconnected instance, the pace of receipts, webhooks late, twice or out of order, and more (`control.py`).
Not played: the gateway's own `jwt_key` header, its global webhook, media, groups.
"""
