import os

import httpx
from pydantic import BaseModel


class Runner(BaseModel, extra="allow"):
    id: str
    name: str


class RunnerPage(BaseModel):
    runners: list[Runner]
    total: int


headers = {"Authorization": f"Bearer {os.environ['COMFYCONTROL_API_TOKEN']}"}
url = f"{os.environ['COMFYCONTROL_API_URL']}/v1/runner"
answer = httpx.get(url, params={"page": 1, "per_page": 25}, headers=headers)
page = RunnerPage.model_validate_json(answer.content)
print(page.model_dump_json(indent=2))
