"""A shop that knows which of its visitors are agents: keeps one of them out, and tells its pages about the others."""

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from quivive.fastapi import DetectAgents, detected

app = FastAPI()
app.add_middleware(
    DetectAgents,
    blocked_agents=["GPTBot"],
    skip_paths=["/health"],
    session_tracking={"enabled": True, "encryption_key": os.environ.get("SESSION_KEY")},
    # Keys of agents that sign their requests are fetched when one comes.
    key_directories=True,
    on_block=lambda outcome: print("kept out:", outcome["client_ip"], outcome["decision"]["reason"]),
)


@app.get("/health")
def health() -> str:
    return "well"


@app.get("/prices")
def prices(visitor: Annotated[Any, Depends(detected)]) -> dict[str, Any]:
    seen = visitor and visitor["classification"]
    return {"coffee": 12, "you": seen and {name: seen[name] for name in ("bot_type", "confidence")}}
