// What a published receiver of SMART Health Links makes of a link: a line of JSON for each step.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [home, what] = process.argv.slice(2);
const made = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(`${home}/package.json`);
const jsQR = require("jsqr");
const receiver = await import(pathToFileURL(require.resolve("kill-the-clipboard")).href);
const { SHL, SHLViewer, SHLInvalidPasscodeError, SHLManifestNotFoundError } = receiver;
const WHO = "Dr. Example, Lisboa";
const PIXELS = 4;

async function step(name, work) {
  try {
    const ok = await work();
    console.log(JSON.stringify({ step: name, ok: ok === true, told: ok === true ? "" : String(ok).slice(0, 200) }));
  } catch (error) {
    console.log(JSON.stringify({ step: name, ok: false, told: `${error?.name}: ${error?.message}`.slice(0, 200) }));
  }
}

async function refused(work, kind) {
  try {
    await work();
  } catch (error) {
    return error instanceof kind || `${error?.name}: ${error?.message}`;
  }
  return "it was opened";
}

// The rows of black squares that the SVG draws, as pixels.
function scanned(svg) {
  const size = Number(/viewBox="0 0 (\d+)/.exec(svg)[1]);
  const width = size * PIXELS;
  const data = new Uint8ClampedArray(width * width * 4).fill(255);
  let x = 0;
  let y = 0;
  for (const [, command, first, second] of /stroke="#000" d="([^"]+)"/.exec(svg)[1].matchAll(/([Mmh])(-?[\d.]+)(?:[ ,](-?[\d.]+))?/g)) {
    if (command === "M") [x, y] = [Number(first), Number(second) - 0.5];
    else if (command === "m") [x, y] = [x + Number(first), y + Number(second)];
    else {
      for (let row = y * PIXELS; row < (y + 1) * PIXELS; row += 1) {
        for (let column = x * PIXELS; column < (x + Number(first)) * PIXELS; column += 1) {
          data.fill(0, (row * width + column) * 4, (row * width + column) * 4 + 3);
        }
      }
      x += Number(first);
    }
  }
  return (jsQR.default ?? jsQR)(data, width, width)?.data;
}

const opens = (passcode, more = {}) => new SHLViewer({ shlinkURI: made.uri }).resolveSHL({ recipient: WHO, passcode, ...more });
const isSummary = (found) => found.fhirResources.length === 1 && found.fhirResources[0].type === "document";

if (what === "open") {
  await step("the QR code holds the viewer's address and the link", () => scanned(made.qr) === made.viewer);
  await step("the link is one that the receiver knows", () => {
    const shl = SHL.parse(made.viewer);
    return shl.requiresPasscode && !shl.isDirectFile && shl.label === "Holiday" && shl.expirationDate > new Date();
  });
  await step("a wrong passcode is told as such", () => refused(() => opens("wrong"), SHLInvalidPasscodeError));
  await step("the summary is read from inside the manifest", async () => isSummary(await opens(made.passcode)));
  await step("the summary is read from its own address", async () =>
    isSummary(await opens(made.passcode, { embeddedLengthMax: 1 })));
} else {
  await step("a link that was ended opens nothing", () => refused(() => opens(made.passcode), SHLManifestNotFoundError));
}
