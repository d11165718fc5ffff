"""An agent: fetches a page; what its guard asks for is the client's business."""

import sys

import quivive

with quivive.Client() as client:
    response = client.fetch(sys.argv[1])

print(response.status_code, response.text.rstrip())
sys.exit(0 if response.is_success else 1)
