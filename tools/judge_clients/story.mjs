// A small story by two JavaScript clients: a laboratory files a result, corrects it and files more; a doctor finds them.
// Arguments: the FHIR address of the laboratory's proxy, and that of the doctor's. Prints a line of JSON for each step.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , lab, doctor, modules] = process.argv;
const require = createRequire(path.join(modules, "package.json"));
const { Client: FhirClient } = await import(pathToFileURL(path.join(modules, "node_modules/fhir-kit-client/dist/index.js")).href);
const smart = require("fhirclient");

const NLK = "urn:oid:2.16.578.1.12.4.1.1.7280";
const observation = (value) => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: NLK, code: "NPU03429" }], text: "P-Natrium" },
  effectiveDateTime: "2026-03-02T08:15:00+01:00",
  valueQuantity: { value, unit: "mmol/L" },
});

let who = "";
const step = async (name, work) => {
  try {
    console.log(JSON.stringify({ client: who, step: name, ok: Boolean(await work()) }));
  } catch (error) {
    const told = error.response?.data ?? error.message ?? error;
    console.log(JSON.stringify({ client: who, step: name, ok: false, told: JSON.stringify(told).slice(0, 300) }));
  }
};

async function kit() {
  who = "fhir-kit-client";
  const files = new FhirClient({ baseUrl: lab });
  const looks = new FhirClient({ baseUrl: doctor });
  let made;
  await step("capability statement", async () => (await looks.capabilityStatement()).fhirVersion === "4.0.1");
  await step("create", async () => {
    made = await files.create({ resourceType: "Observation", body: observation(140), options: { headers: { prefer: "return=representation" } } });
    return made.id && made.meta.versionId === "1";
  });
  await step("read", async () => (await looks.read({ resourceType: "Observation", id: made.id })).valueQuantity.value === 140);
  await step("update", async () => {
    const body = { ...made, status: "corrected", valueQuantity: { value: 141, unit: "mmol/L" } };
    const changed = await files.update({ resourceType: "Observation", id: made.id, body, options: { headers: { "if-match": 'W/"1"', prefer: "return=representation" } } });
    return changed.meta.versionId === "2";
  });
  await step("update of an old version is refused", async () => {
    try {
      await files.update({ resourceType: "Observation", id: made.id, body: made, options: { headers: { "if-match": 'W/"1"' } } });
      return false;
    } catch (error) {
      return (error.response?.status ?? error.status) === 412;
    }
  });
  await step("patch", async () => {
    const patch = [{ op: "add", path: "/note", value: [{ text: "kontrollert" }] }];
    await files.patch({ resourceType: "Observation", id: made.id, jsonPatch: patch, options: { headers: { "if-match": 'W/"2"' } } });
    return (await looks.read({ resourceType: "Observation", id: made.id })).note[0].text === "kontrollert";
  });
  await step("vread and history", async () => {
    const first = await looks.vread({ resourceType: "Observation", id: made.id, version: "1" });
    const all = await looks.history({ resourceType: "Observation", id: made.id });
    return first.valueQuantity.value === 140 && all.entry.length === 3;
  });
  await step("search by GET and POST", async () => {
    const searchParams = { code: `${NLK}|NPU03429`, _sort: "-date", _count: 100 };
    const byGet = await looks.search({ resourceType: "Observation", searchParams });
    const byPost = await looks.search({ resourceType: "Observation", searchParams, options: { postSearch: true } });
    return byGet.entry.some((one) => one.resource.id === made.id) && byPost.entry.length === byGet.entry.length;
  });
  await step("next page", async () => {
    const page = await looks.search({ resourceType: "Observation", searchParams: { _count: 1 } });
    const following = await looks.nextPage({ bundle: page });
    return following.entry[0].resource.id !== page.entry[0].resource.id;
  });
  const entry = (value) => ({ resource: observation(value), request: { method: "POST", url: "Observation" } });
  await step("transaction", async () => {
    const body = { resourceType: "Bundle", type: "transaction", entry: [entry(138), entry(139)] };
    return (await files.transaction({ body })).entry.every((one) => one.response.status.startsWith("201"));
  });
  await step("batch", async () => {
    const body = { resourceType: "Bundle", type: "batch", entry: [entry(137)] };
    return (await files.batch({ body })).entry[0].response.status.startsWith("201");
  });
  await step("delete", async () => {
    await files.delete({ resourceType: "Observation", id: made.id });
    try {
      await looks.read({ resourceType: "Observation", id: made.id });
      return false;
    } catch (error) {
      return (error.response?.status ?? error.status) === 410;
    }
  });
}

async function smartClient() {
  who = "fhirclient (npm)";
  const request = { url: "/", headers: { host: "127.0.0.1" } };
  const client = (url) => smart(request, { writeHead() {}, end() {} }, () => ({})).client(url);
  const files = client(lab);
  const looks = client(doctor);
  let made;
  await step("create", async () => {
    made = await files.create(observation(142), { headers: { prefer: "return=representation" } });
    return Boolean(made.id);
  });
  await step("request", async () => (await looks.request(`Observation/${made.id}`)).valueQuantity.value === 142);
  await step("update", async () => {
    const body = { ...made, status: "amended" };
    return (await files.update(body, { headers: { "if-match": 'W/"1"', prefer: "return=representation" } })).status === "amended";
  });
  await step("patch", async () => {
    const patch = [{ op: "replace", path: "/valueQuantity/value", value: 143 }];
    await files.patch(`Observation/${made.id}`, patch, { requestOptions: {}, headers: { "if-match": 'W/"2"' } });
    return (await looks.request(`Observation/${made.id}`)).valueQuantity.value === 143;
  });
  await step("all pages", async () => {
    const all = await looks.request("Observation?_count=20&code=NPU03429", { pageLimit: 0, flat: true });
    return all.some((one) => one.id === made.id);
  });
  await step("delete", async () => Boolean(await files.delete(`Observation/${made.id}`)) || true);
}

await kit();
await smartClient();
