// A standard SMART app, launched by the sandbox's own system: fhirclient finds the login, redeems the code and reads who is open.
// Arguments: the sandbox's address, the number or persona of the patient, the folder of modules. Prints a line of JSON for each step.
import { createRequire } from "node:module";
import path from "node:path";

const [, , home, patient, modules] = process.argv;
const require = createRequire(path.join(modules, "package.json"));
const smart = require("fhirclient");
const redirectUri = "http://127.0.0.1:9/app";

const step = async (name, work) => {
  try {
    console.log(JSON.stringify({ client: "fhirclient (SMART launch)", step: name, ok: Boolean(await work()) }));
  } catch (error) {
    console.log(JSON.stringify({ client: "fhirclient (SMART launch)", step: name, ok: false, told: String(error.message ?? error).slice(0, 300) }));
  }
};

const kept = {};
const storage = () => ({
  get: async (key) => kept[key],
  set: async (key, value) => (kept[key] = value),
  unset: async (key) => delete kept[key],
});

// What express would give the app: an address that was asked for, and where it sends the browser on.
const visited = (address, work) =>
  new Promise((resolve, reject) => {
    const url = new URL(address);
    const socket = { encrypted: false };
    const request = { url: url.pathname + url.search, headers: { host: url.host }, method: "GET", socket, connection: socket };
    const onward = (to) => resolve(to);
    const response = { writeHead: (_, headers) => onward(headers.location ?? headers.Location), redirect: onward, end() {} };
    work(smart(request, response, storage)).then(resolve, reject);
  });

let client;
let address;
await step("launch", async () => {
  const form = new URLSearchParams({ persona: "gp", patient, app: `${redirectUri}/launch` });
  const sent = await fetch(`${home}/smart/launch`, { method: "POST", body: form, redirect: "manual" });
  address = sent.headers.get("location");
  return sent.status === 303 && address.includes("iss=");
});
await step("authorize", async () => {
  const scope = "launch openid fhirUser patient/Patient.rs patient/Observation.rs";
  address = await visited(address, (app) => app.authorize({ clientId: "growth-chart", scope, redirectUri, pkceMode: "required" }));
  return address.startsWith(`${home}/smart/authorize`);
});
await step("ready", async () => {
  const back = await fetch(address, { redirect: "manual" });
  client = await visited(back.headers.get("location"), (app) => app.ready());
  return Boolean(client.patient.id);
});
await step("patient", async () => (await client.patient.read()).resourceType === "Patient");
await step("observations of the patient", async () => {
  const found = await client.request(`Observation?patient=${client.patient.id}&_count=5`, { pageLimit: 2, flat: true });
  return found.length > 5 && found.every((one) => one.resourceType === "Observation");
});
await step("what the scopes do not leave is refused", async () => {
  try {
    await client.request(`DiagnosticReport?patient=${client.patient.id}`);
    return false;
  } catch (error) {
    return (error.status ?? error.response?.status) === 403;
  }
});
