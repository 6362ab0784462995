from __future__ import annotations
import asyncio, re, secrets
from kjerne.sandbox import life
from platform_fixture import SEED, Standing
import httpx

def test_chain(platform: Standing) -> None:
    pat = platform.nin("parent").encode()
    raw = next(r for r in life.messages(platform.population, SEED, platform.clock.now().date()) if pat in r)
    held = platform.client.token("lab")
    t = httpx.ASGITransport(platform.application)
    seen = {}
    async def go():
        async with httpx.AsyncClient(transport=t) as c:
            left = iter(range(700))
            async def w():
                for n in left:
                    body = re.sub(rb"<MsgId>[^<]*</MsgId>", b"<MsgId>s%d</MsgId>" % n, raw)
                    url = platform.url + "/pps/in"
                    a = await c.post(url, content=body, headers={"content-type":"application/xml", **held.headers("POST", url, platform.clock.now().timestamp())})
                    seen[a.status_code] = seen.get(a.status_code,0)+1
            await asyncio.gather(*(w() for _ in range(25)))
    import time; t0=time.time()
    platform.run(go(), 400)
    print(seen, time.time()-t0)
    for l in platform.written.getvalue().splitlines():
        if "fault" in l and "exception" in l: print(l[-1500:])
