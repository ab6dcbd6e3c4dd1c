"""Keys and tokens of two issuers, made by PyJWT and OpenSSL: who else reads and writes them than the filter."""

import json
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

issuer, partner, audience = sys.argv[1:]
keys = {
    "rsa": (rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ec": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ed": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}
other = rsa.generate_private_key(65537, 2048)


def public(kid, key, algorithm):
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid}


def token(algorithm="EdDSA", kid="ed", without=(), **claims):
    now = int(time.time())
    own = {"iss": issuer, "aud": audience, "sub": "ana", "exp": now + 3600, "iat": now, "groups": ["readers"]}
    own = {name: value for name, value in (own | claims).items() if name not in without}
    key = None if algorithm == "none" else other if kid == "other" else keys[kid][0]
    return jwt.encode(own, key, algorithm=algorithm, headers={"kid": kid})


def acting(depth):
    act = None
    for place in range(depth):
        act = {"sub": f"bot-{depth - place}"} | ({"act": act} if act else {})
    return act


print(
    json.dumps(
        {
            "keys": {"keys": [public(kid, *pair) for kid, pair in keys.items()]},
            "partner": {"keys": [public("other", other, RSAAlgorithm)]},
            "tokens": {
                "RS256": token("RS256", "rsa"),
                "PS256": token("PS256", "rsa"),
                "ES256": token("ES256", "ec"),
                "EdDSA": token(),
                "RS512": token("RS512", "rsa"),
                "none": token("none"),
                "no exp": token(without=["exp"]),
                "ended": token(exp=int(time.time()) - 3600),
                "another audience": token(aud="else"),
                "another issuer": token(iss="https://nobody.example"),
                "in no group": token(groups=[]),
                "in no group claim": token(without=["groups"]),
                "of a blocked team": token(profile={"team": "blocked"}),
                "acting": token(act=acting(1)),
                "acting, 5 deep": token(act=acting(5)),
                "acting, 6 deep": token(act=acting(6)),
                "partner": token("RS256", "other", iss=partner, sub="acme"),
                "partner by a key of the first": token("RS256", "rsa", iss=partner, sub="acme"),
            },
        }
    )
)
