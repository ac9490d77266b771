from tests.adapters.http.test_conformance import *
from tests.adapters.http import test_conformance as tc
from tests.adapters.http.as_of_stream import founded, Stream, STEPS
from tests.adapters.http.as_of_questions import questions, ask
def test_steps(bench):
    api=founded(bench)
    try:
        s=Stream(api,{})
        for k in ("market","desk","bid","bid","clearing"):
            s.number+=1
            a=STEPS[k](s,s.number); print(k,a.status_code,a.text[:200]); api.wait()
        last=str(bench.recorder.max_notification_id())
        import tests.adapters.http.as_of_questions as Q
        keep=Q.as_of_routes
        Q.as_of_routes=lambda api: {r:p for r,p in keep(api).items() if any(w in r for w in ("/v1/bids","/v1/markets","/clearings","/desk","/days/")) and r.split("/")[-1] not in ("shares","positions")}
        qs=questions(api)
        from tests.adapters.http.as_of_questions import answered
        first=answered(api,qs,last)
        for q,r in first.items():
            if r.status!=200: print(q.path,q.parameters,q.role,r.status,r.content[:90])
        print(len(qs), {q.route for q in qs} - {q.route for q,r in first.items() if r.status==200})
        for k in ("clearing","desk","market","bid","unit","site"):
            s.number+=1
            a=STEPS[k](s,s.number); print(k,a.status_code,a.text[:100]); api.wait()
        again=answered(api,qs,last)
        for q in qs:
            if first[q]!=again[q]: print("CHANGED",q,first[q],again[q])
        assert first==again
    finally: api.close()
def test_mine(bench):
    api=Api(bench)
    failures=[]
    try:
        load_all_checks()
        print([n for n in api.client.get("/docs/openapi.json").json()["components"]["schemas"] if n[0].islower()])
        with listening(api) as address, requests.Session() as session:
            schema = schemathesis.openapi.from_url(f"{address}/docs/openapi.json")
            headers = {"Authorization": f"Bearer {api.secret('admin')}"}
            for found in schema.get_all_operations():
                operation = found.ok()
                if not any(w in operation.label for w in ("/bids","/markets","/clearings","/desk","/days/","/envelope")): continue
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    try:
                        tc._try(operation, mode, session, headers)
                    except hypothesis.errors.Unsatisfiable:
                        pass
                    except Exception as failure:
                        failures.append(f"{operation.label} {mode.value}: {failure}")
    finally: api.close()
    print("\n\n".join(failures))
    assert not failures
