"""Writes corpus.json: tokens signed by another implementation (OpenSSL, by Python's `cryptography`), one good one for
each algorithm, and one for each way to be wrong. Run it again only to add cases: every run makes new keys.

    python3 core/tests/tokens/make.py > core/tests/tokens/corpus.json
"""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_795_348_800
ISSUER, AUDIENCE = "https://idp.test", "gateway"
SHA = hashes.SHA256()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def public(key, **more):
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        jwk = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.public_key().public_numbers()
        size = (key.curve.key_size + 7) // 8
        name = {256: "P-256", 384: "P-384"}[key.curve.key_size]
        half = lambda value: b64(value.to_bytes(size, "big"))
        jwk = {"kty": "EC", "crv": name, "x": half(numbers.x), "y": half(numbers.y)}
    else:
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    return {**jwk, **more}


def raw(signature, size):
    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))


def sign(alg, key, data):
    if alg == "RS256":
        return key.sign(data, padding.PKCS1v15(), SHA)
    if alg == "PS256":
        return key.sign(data, padding.PSS(padding.MGF1(SHA), salt_length=32), SHA)
    if alg == "ES256":
        return raw(key.sign(data, ec.ECDSA(SHA)), 32)
    return key.sign(data)


RSA = {bits: rsa.generate_private_key(65537, bits) for bits in (1024, 2048, 3072, 4096)}
EC, EC_OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED, ED_OTHER = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()

SET = {
    "keys": [
        public(RSA[2048], kid="rsa"),
        public(RSA[3072], kid="rsa-3072", use="sig", key_ops=["verify"]),
        public(RSA[4096], kid="rs-only", alg="RS256"),
        public(EC, kid="ec"),
        public(ED, kid="ed"),
        public(ED_OTHER, kid="twin"),
        public(EC_OTHER, kid="twin"),
        public(P384, kid="p384"),
        public(ED_OTHER, kid="encrypts", use="enc"),
        public(ED_OTHER, kid="signs", key_ops=["sign"]),
        {"kty": "oct", "kid": "shared", "k": b64(b"0123456789abcdef0123456789abcdef")},
    ]
}

CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": NOW + 600, "nbf": NOW - 60, "iat": NOW - 60}
cases = []


def text(value):
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def add(name, alg="EdDSA", key=ED, kid="ed", header=None, claims=None, edit=None, head=None, body=None):
    header = {"alg": alg, **({} if kid is None else {"kid": kid}), **(header or {})}
    header = {name: value for name, value in header.items() if value is not None}
    claims = {name: value for name, value in {**CLAIMS, **(claims or {})}.items() if value is not None}
    signed = f"{b64(text(head or header))}.{b64(text(claims if body is None else body))}"
    token = f"{signed}.{b64(sign(alg if alg in ('RS256', 'PS256', 'ES256') else 'EdDSA', key, signed.encode()))}"
    cases.append([name, edit(token) if edit else token])


# Good ones.
add("good: RS256", "RS256", RSA[2048], "rsa")
add("good: PS256", "PS256", RSA[2048], "rsa")
add("good: RS256, 3072 bits", "RS256", RSA[3072], "rsa-3072")
add("good: RS256, 4096 bits", "RS256", RSA[4096], "rs-only")
add("good: ES256", "ES256", EC, "ec")
add("good: EdDSA")
add("good: EdDSA by its newer name", "Ed25519")
add("good: a kid that two kinds of keys share", "ES256", EC_OTHER, "twin")
add("good: typ JWT", header={"typ": "JWT"})
add("good: typ of an access token", header={"typ": "application/AT+jwt"})
add("good: several audiences", claims={"aud": ["other", AUDIENCE]})
add("good: times with fractions", claims={"exp": NOW + 0.5, "nbf": NOW - 0.5})
add("good: within the leeway", claims={"exp": NOW - 29, "nbf": NOW + 29, "iat": NOW + 30})
add("good: no nbf, no iat", claims={"nbf": None, "iat": None})
add("good: only exp is awaited", claims={"extra": {"a": [1, None]}, "may_act": {"sub": "somebody"}})

# The algorithm.
add("no alg", header={"alg": None})
add("alg none", header={"alg": "none"}, edit=lambda token: token.rsplit(".", 1)[0] + ".")
add("alg None", header={"alg": "None"})
add("alg of another kind", header={"alg": 7})
add("alg HS256 over the public key", kid="rsa", head={"alg": "HS256", "kid": "rsa"})
add("alg RS512", "RS512", ED, "rsa")
add("alg ES384", "ES384", ED, "p384")
add("alg not of the key's type", "RS256", RSA[2048], "ec")
add("alg not of the key's type, RSA for EC", "ES256", EC, "rsa")
add("alg that the key is not kept for", "PS256", RSA[4096], "rs-only")
add("EdDSA signature under ES256", head={"alg": "ES256", "kid": "ec"})
add("PS256 signature under RS256", "PS256", RSA[2048], "rsa", head={"alg": "RS256", "kid": "rsa"})

# The key.
add("kid unknown", kid="gone")
add("kid of a key for encryption", key=ED_OTHER, kid="encrypts")
add("kid of a key that only signs", key=ED_OTHER, kid="signs")
add("kid of a shared secret", kid="shared")
add("kid no text", kid=7)
add("kid too long", kid="k" * 257)
add("no kid and several keys fit", kid=None)
add("jwk in the header", key=ED_OTHER, kid=None, header={"jwk": public(ED_OTHER)})
add("jku in the header", key=ED_OTHER, kid="mine", header={"jku": "https://evil.test/jwks"})

# The header.
add("crit", header={"crit": ["exp"], "exp": NOW + 600})
add("crit empty", header={"crit": []})
add("b64", header={"b64": False, "crit": ["b64"]})
add("typ of a logout token", header={"typ": "logout+jwt"})
add("typ no text", header={"typ": ["JWT"]})
add("alg twice in the header", head=b'{"alg":"none","alg":"EdDSA","kid":"ed"}')
add("alg in two spellings", head=b'{"alg":"EdDSA","Alg":"none","kid":"ed"}')
add("header no object", head=[1])
add("header no JSON", head=b"{alg}")

# The claims.
add("no exp", claims={"exp": None})
add("exp past", claims={"exp": NOW - 30})
add("exp text", claims={"exp": str(NOW + 600)})
add("exp null", body=json.dumps(CLAIMS | {"exp": None}).encode())
add("exp negative", claims={"exp": -1})
add("exp beyond the calendar", claims={"exp": 253402300800})
add("exp huge", body=text(CLAIMS).replace(str(NOW + 600).encode(), b"1e300"))
add("nbf to come", claims={"nbf": NOW + 31})
add("iat to come", claims={"iat": NOW + 31})
add("iat text", claims={"iat": "now"})
add("no iss", claims={"iss": None})
add("iss of somebody else", claims={"iss": "https://idp.test/"})
add("iss no text", claims={"iss": [ISSUER]})
add("no aud", claims={"aud": None})
add("aud of somebody else", claims={"aud": "other"})
add("aud part of ours", claims={"aud": "gate"})
add("aud empty list", claims={"aud": []})
add("aud list with no text", claims={"aud": [AUDIENCE, 7]})
add("no sub", claims={"sub": None})
add("sub empty", claims={"sub": ""})
add("sub no text", claims={"sub": 7})
add("sub with a line feed", claims={"sub": "a\nb"})
add("exp twice", body=text(CLAIMS)[:-1] + b',"exp":9999999999}')
add("sub twice, escaped", body=text(CLAIMS)[:-1] + b',"s\\u0075b":"eve"}')
add("payload no object", body=b'"ana"')
add("payload no JSON", body=b"ana")
add("payload nested deeply", body=text(CLAIMS)[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}")
add("act and no actor is configured", claims={"act": {"sub": "bot"}})

# The signature and the form.
add("signature of another key", key=ED_OTHER)
add("signature of another RSA key", "RS256", RSA[3072], "rsa")
add("signature of another EC key", "ES256", EC_OTHER, "ec")
add("signature empty", edit=lambda token: token.rsplit(".", 1)[0] + ".")
add("signature cut short", edit=lambda token: token[:-4])
add("signature of RSA cut short", "RS256", RSA[2048], "rsa", edit=lambda token: token[:-4])
add("signature of zeros", "ES256", EC, "ec", edit=lambda token: token.rsplit(".", 1)[0] + "." + b64(bytes(64)))
add("signature in DER", "ES256", EC, "ec", edit=lambda token: token.rsplit(".", 1)[0] + "." + b64(EC.sign(token.rsplit(".", 1)[0].encode(), ec.ECDSA(SHA))))
add("payload changed", edit=lambda token: ".".join([token.split(".")[0], b64(text(CLAIMS | {"sub": "eve"})), token.split(".")[2]]))
add("padding", edit=lambda token: token + "==")
add("trailing bits", edit=lambda token: token[:-1] + chr(ord(token[-1]) + 1))
add("base64 of the other alphabet", edit=lambda token: token.replace("-", "+").replace("_", "/") + "+")
add("white space inside", edit=lambda token: token.replace(".", ". ", 1))
add("two parts", edit=lambda token: token.rsplit(".", 1)[0])
add("five parts", edit=lambda token: token + ".e30.e30")
add("empty parts", edit=lambda token: "..")
add("opaque", edit=lambda token: "2YotnFZFEjr1zCsicMWpAA")
add("nothing", edit=lambda token: "")
add("too long", claims={"x": "x" * 16384})

broken = {
    "rsa-1024": [public(RSA[1024], kid="a")],
    "rsa-even": [{"kty": "RSA", "n": b64(b"\xc0" + bytes(255)), "e": "AQAB"}],
    "rsa-zeros": [{"kty": "RSA", "n": b64(b"\0" + RSA[2048].public_key().public_numbers().n.to_bytes(256, "big")), "e": "AQAB"}],
    "rsa-exponent-one": [{**public(RSA[2048]), "e": "AQ"}],
    "rsa-exponent-large": [{**public(RSA[2048]), "e": b64(b"\1" * 9)}],
    "rsa-without-n": [{"kty": "RSA", "e": "AQAB"}],
    "rsa-too-large": [{"kty": "RSA", "n": b64(b"\xff" * 1024), "e": "AQAB"}],
    "ec-off-the-curve": [{**public(EC), "y": public(EC_OTHER)["y"]}],
    "ec-short": [{**public(EC), "x": b64(bytes(31))}],
    "ed-weak": [{"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32))}],
    "ed-short": [{"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(31))}],
    "private": [{**public(ED), "d": b64(ED.private_bytes_raw())}],
    "alg-of-another-type": [public(ED, alg="RS256")],
    "kid-no-text": [public(ED, kid=7)],
    "key-ops-no-list": [public(ED, key_ops="verify")],
    "only-foreign": [public(P384), {"kty": "oct", "k": "AA"}, public(ED, use="enc"), public(ED, alg="HS256")],
    "no-object": [7],
    "none": [],
    "too-many": [public(ED, kid=str(n)) for n in range(101)],
}

print(json.dumps({"now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "keys": SET, "cases": cases, "broken": broken}, indent=1))
