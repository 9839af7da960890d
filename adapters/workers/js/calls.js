// What a handler can call. Each operation takes the bytes that the program lends for the call (whatever outlives the call is copied),
// and gives a value or a promise of one; what it throws becomes an error of that call alone.

import { CallError, LATE, text } from "./midge.js";

/** @typedef {import("./midge.js").Served} Served */

const ENOENT = -2, ENODEV = -19, EINVAL = -22, ENOSYS = -38;
const encoder = new TextEncoder();

/** @param {Uint8Array} part */
const number = (part) => new DataView(part.buffer, part.byteOffset, part.byteLength).getFloat64(0, true);

/** @param {Uint8Array} part */
const string = (part) => {
  try {
    return text(part);
  } catch {
    throw new CallError(EINVAL, "text that is not UTF-8");
  }
};

/** A binding, which has to have `method`. @param {Served} the @param {Uint8Array} part @param {string} method */
function binding(the, part, method) {
  const name = string(part);
  const found = Object.hasOwn(the.env ?? {}, name) ? the.env[name] : undefined;
  if (typeof found?.[method] !== "function") throw new CallError(ENODEV, `no binding ${name} with ${method}()`);
  return found;
}

/** @param {Served} the */
function storage(the) {
  if (!the.object) throw new CallError(ENOSYS, "not in a Durable Object");
  return the.object.storage;
}

/** The body that a handle holds, to be passed on, with its length if it is known. @param {Served} the @param {number} handle */
function body(the, handle) {
  const source = the.handle(handle)?.source;
  if (!source) throw new CallError(EINVAL, "no body to pass on");
  // The length of an encoded response is not that of the body which the platform decodes.
  const length = source.size ?? (source.headers?.has("content-encoding") ? undefined : source.headers?.get("content-length"));
  return source.body && length ? source.body.pipeThrough(new FixedLengthStream(Number(length))) : source.body;
}

/** Wraps a bare stream in something with a body. @param {ReadableStream | null} stream */
const holder = (stream) => (stream === null ? null : { body: stream });

/** One row: for each value its tag, its length, and its bytes. @param {unknown[]} values */
export function row(values) {
  const parts = values.map(encode);
  const bytes = new Uint8Array(parts.reduce((sum, [, payload]) => sum + 5 + payload.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [tag, payload] of parts) {
    bytes[at] = tag;
    view.setUint32(at + 1, payload.length, true);
    bytes.set(payload, at + 5);
    at += 5 + payload.length;
  }
  return bytes;
}

/** @param {unknown} value @returns {[number, Uint8Array]} */
function encode(value) {
  if (value === null || value === undefined) return [0, new Uint8Array(0)];
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    const number = Number(value);
    return [Number.isSafeInteger(number) ? 1 : 2, new Uint8Array(new Float64Array([number]).buffer)];
  }
  if (typeof value === "string") return [3, encoder.encode(value)];
  if (value instanceof ArrayBuffer) return [4, new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) return [4, new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  return [3, encoder.encode(JSON.stringify(value))];
}

/** A value of a tag and its bytes. @param {Uint8Array} tag @param {Uint8Array} payload */
function decode(tag, payload) {
  switch (tag[0]) {
    case 0: return null;
    case 1: case 2: return number(payload);
    case 3: return string(payload);
    case 4: return payload.slice();
    default: throw new CallError(EINVAL, "a value of no known kind");
  }
}

/** @param {Served} the @param {Uint8Array[]} parts */
async function fetched(the, [url, method, service, object, content, source, ...fields]) {
  const headers = new Headers();
  const from = number(source);
  /** @type {any} */
  const init = { method: string(method), headers, redirect: "manual" };
  /** @type {any} */
  let target = globalThis;
  let address;
  try {
    for (let at = 0; at + 1 < fields.length; at += 2) headers.append(string(fields[at]), string(fields[at + 1]));
    address = new URL(string(url)).href;
  } catch (error) {
    throw new CallError(EINVAL, String(error));
  }
  if (object.length) {
    const name = string(object);
    const namespace = binding(the, service, "idFromName");
    target = namespace.get(namespace.idFromName(name));
  } else if (service.length) target = binding(the, service, "fetch");
  if (from === -2) init.body = content.slice();
  else if (from >= 0) init.body = body(the, from);
  return target.fetch(address, init);
}

/** By the numbers that ABI.md gives them. @type {Record<number, import("./midge.js").Operation>} */
export const calls = {
  1(the, [name]) {
    const key = string(name);
    const value = Object.hasOwn(the.env ?? {}, key) ? the.env[key] : undefined;
    if (typeof value !== "string") throw new CallError(ENODEV, `no variable ${key}`);
    return value;
  },
  2: (_, [time]) => scheduler.wait(number(time)).then(() => 0),
  3(the, [time]) {
    the.deadline = scheduler.wait(number(time)).then(() => LATE);
    return 0;
  },
  4: fetched,

  10: (the, [name, key]) => binding(the, name, "getWithMetadata").get(string(key), "arrayBuffer"),
  11: async (the, [name, key]) => holder(await binding(the, name, "getWithMetadata").get(string(key), "stream")),
  12(the, [name, key, value, seconds]) {
    const options = number(seconds) > 0 ? { expirationTtl: number(seconds) } : {};
    return binding(the, name, "getWithMetadata").put(string(key), value.slice(), options).then(() => 0);
  },
  13: (the, [name, key]) => binding(the, name, "getWithMetadata").delete(string(key)).then(() => 0),
  async 14(the, [name, prefix, cursor, limit]) {
    const options = { prefix: string(prefix), cursor: string(cursor) || undefined, limit: number(limit) };
    const listed = await binding(the, name, "getWithMetadata").list(options);
    return {
      rows: listed.keys.map((/** @type {{ name: string }} */ key) => encoder.encode(key.name)),
      value: listed.list_complete ? 0 : listed.cursor,
    };
  },

  20: (the, [name, key]) => binding(the, name, "createMultipartUpload").get(string(key)),
  21(the, [name, key, value, source]) {
    const bucket = binding(the, name, "createMultipartUpload");
    return bucket.put(string(key), source ? body(the, number(source)) : value.slice()).then(() => 0);
  },
  22: (the, [name, key]) => binding(the, name, "createMultipartUpload").delete(string(key)).then(() => 0),

  30(the, [statement, ...parameters]) {
    const values = [];
    for (let at = 0; at + 1 < parameters.length; at += 2) values.push(decode(parameters[at], parameters[at + 1]));
    const rows = [];
    for (const values_ of storage(the).sql.exec(string(statement), ...values).raw()) rows.push(row(values_));
    return { rows, value: 0 };
  },
  31: (the, [key]) => storage(the).kv.get(string(key)),
  32(the, [key, value]) {
    storage(the).kv.put(string(key), value.slice());
    return 0;
  },
  33: (the, [key]) => storage(the).kv.delete(string(key)),
  34(the, [prefix]) {
    const rows = [];
    for (const [key] of storage(the).kv.list({ prefix: string(prefix) })) rows.push(encoder.encode(key));
    return { rows, value: 0 };
  },
  35: (the, [time]) => (number(time) < 0 ? storage(the).deleteAlarm() : storage(the).setAlarm(number(time))).then(() => 0),
  36(the) {
    if (!the.object) throw new CallError(ENOSYS, "not in a Durable Object");
    return the.object.id.name ?? String(the.object.id);
  },

  40(the) {
    const event = the.event;
    if (!event) throw new CallError(ENOENT, "no event");
    if (!event.messages) return row([event.cron, event.scheduledTime]);
    return {
      rows: event.messages.map((/** @type {any} */ message, /** @type {number} */ index) => {
        const content = message.body;
        const plain = typeof content === "string" || content instanceof ArrayBuffer || ArrayBuffer.isView(content);
        return row([index, message.id, message.attempts, plain ? content : JSON.stringify(content)]);
      }),
      value: row([event.queue]),
    };
  },
  41(the, [index, done]) {
    const message = the.event?.messages?.[number(index)];
    if (!message) throw new CallError(EINVAL, "no such message");
    if (number(done)) message.ack();
    else message.retry();
    return 0;
  },
};

