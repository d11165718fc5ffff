"""Verification of one ES256 token: Quivive beside PyJWT, in turns, in one process. Prints one JSON line."""

import json
import time

import jwt
import quivive

ROUNDS = 15
CALLS = 2_000


def main() -> None:
    now = int(time.time())
    key = quivive.generate_key(seed="07" * 32, kid="bench")
    keys = quivive.public_keys(keys=[key])
    claims = {"type": "botcha-verified", "sub": "bench", "iss": "botcha.ai", "iat": now, "exp": now + 3600, "jti": "1"}
    token = quivive.sign_token(claims=claims, key=key)["token"]
    verifier = quivive.Verifier(keys=keys)
    public = jwt.PyJWK(keys["keys"][0])

    def ours() -> None:
        verifier.verify(token)

    def theirs() -> None:
        jwt.decode(token, public, algorithms=["ES256"], issuer="botcha.ai")

    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        for name, call in (("ours", ours), ("theirs", theirs)):
            begun = time.perf_counter()
            for _ in range(CALLS):
                call()
            times[name].append((time.perf_counter() - begun) / CALLS * 1e6)
    best = {name: min(values) for name, values in times.items()}
    print(json.dumps({"quivive_us": best["ours"], "pyjwt_us": best["theirs"], "ratio": best["theirs"] / best["ours"]}))


if __name__ == "__main__":
    main()
