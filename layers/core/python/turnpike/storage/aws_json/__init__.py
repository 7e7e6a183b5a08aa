"""A client of AWS's JSON protocols, in the shape of botocore's own and for a tenth of its time.

    client.py         one service: a method for each operation, each call tried as often as it may be
    services.py       what differs from one service to the other
    signing.py        Signature Version 4
    credentials.py    who signs
    endpoints.py      where a service is
    connections.py    HTTP/1.1 over sockets that stay open
    answers.py        what an answer says: values, or botocore's own errors
    retries.py        which tries are repeated, and when

It raises what botocore's client raises, so that whoever calls it need not know which of the two it has.
"""
