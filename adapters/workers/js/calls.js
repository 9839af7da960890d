// What a handler can call. Each operation takes the bytes that the program lends for the call (whatever outlives the call is copied),
// and gives a value or a promise of one; what it throws becomes an error of that call alone.

import { more, range } from "./midge.js";
import { answer, close, deadline, end, handle, length, read, respond, send, told, wait, write } from "./waits.js";

/**
 * @typedef {import("./midge.js").Served} Served
 * @typedef {import("./midge.js").Body & { result: number, bytes: Uint8Array, rows: Uint8Array[], row: number }} Handle what a host call gives
 * @typedef {(served: Served, parts: Uint8Array[], handle: Handle) => unknown} Operation
 */

const SCHEDULED = 1, QUEUE = 2;
const ENOENT = -2, EIO = -5, EBADF = -9, EAGAIN = -11, EFAULT = -14, ENODEV = -19, EINVAL = -22, EMFILE = -24, ENOSYS = -38, EMSGSIZE = -90;
const MAX_HANDLES = 64, MAX_PARTS = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NOTHING = new Uint8Array(0);
/** What no binding has of its own. */
const ANY = "midge has no method of this name";

/** An error that a host call gives as this number. */
export class CallError extends Error {
  /** @param {number} errno @param {string} message */
  constructor(errno, message) {
    super(message);
    this.errno = errno;
  }
}

/** Takes in what an operation gave. @param {Handle} handle @param {any} value */
function settle(handle, value) {
  if (value === null || value === undefined) handle.result = ENOENT;
  else if (typeof value === "number" || typeof value === "boolean") handle.result = Number(value);
  else if (typeof value === "string") settle(handle, encoder.encode(value));
  else if (value instanceof ArrayBuffer) settle(handle, new Uint8Array(value));
  else if (ArrayBuffer.isView(value)) {
    handle.bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    handle.result = handle.bytes.length;
  } else if (value.rows) {
    handle.rows = value.rows;
    settle(handle, value.value);
  } else {
    handle.source = value;
    handle.result = value.status ?? value.size ?? 0;
  }
}

/** @param {Handle} handle @param {any} error */
function reject(handle, error) {
  handle.result = error?.errno ?? EIO;
  if (handle.result === EIO && !handle.closed) console.error(String(error));
}

/** @param {Uint8Array} part */
const number = (part) => new DataView(part.buffer, part.byteOffset, part.byteLength).getFloat64(0, true);

/** @param {Uint8Array} part */
const string = (part) => {
  try {
    return decoder.decode(part);
  } catch {
    throw new CallError(EINVAL, "text that is not UTF-8");
  }
};

/** A binding, which has to have `method`. @param {Served} the @param {Uint8Array} part @param {string} method */
function binding(the, part, method) {
  const name = string(part);
  const found = Object.hasOwn(the.env ?? {}, name) ? the.env[name] : undefined;
  // A service binding has a method of any name: to call it is to call the other Worker.
  if (typeof found?.[method] !== "function" || (method !== "fetch" && found[ANY])) throw new CallError(ENODEV, `no binding ${name} with ${method}()`);
  return found;
}

/** @param {Served} the */
function object(the) {
  if (!the.name) throw new CallError(ENOSYS, "not in a Durable Object");
  return the.ctx;
}

/** @param {Served} the */
const storage = (the) => object(the).storage;

/** The body that a handle holds, to be passed on, with its length if it is known. @param {Served} the @param {number} id */
function body(the, id) {
  const held = handle(the, id);
  const source = held?.source;
  if (!source) throw new CallError(EINVAL, "no body to pass on");
  if (held.begun || held.reader) throw new CallError(EINVAL, "a body of which something was read");
  const known = length(source);
  const passed = held.whole ?? (source.body && known >= 0 ? source.body.pipeThrough(new FixedLengthStream(known)) : source.body);
  held.passed = true;
  return passed;
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
  return [3, encoder.encode(json(value))];
}

/** What is neither text nor bytes, as text. @param {unknown} value */
const json = (value) => JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner)) ?? "null";

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

/** @param {Served} the @param {Uint8Array[]} parts @param {Handle} handle */
async function fetched(the, [url, method, service, named, content, source, ...fields], handle) {
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
  if (named.length) {
    const name = string(named);
    const namespace = binding(the, service, "idFromName");
    target = namespace.get(namespace.idFromName(name));
  } else if (service.length) target = binding(the, service, "fetch");
  if (from === -2) init.body = content.slice();
  else if (from >= 0) init.body = body(the, from);
  const controller = new AbortController();
  handle.cancel = () => controller.abort();
  // Of a body that ends too early the platform makes a whole one, so its request has to go with it.
  const written = from > 0 ? called(the, from) : undefined;
  if (written?.writer) written.cancel = handle.cancel;
  init.signal = controller.signal;
  return target.fetch(address, init);
}

/** By the numbers that ABI.md gives them. @type {Record<number, Operation>} */
const operations = {
  1(the, [name]) {
    const key = string(name);
    const value = Object.hasOwn(the.env ?? {}, key) ? the.env[key] : undefined;
    if (typeof value !== "string") throw new CallError(ENODEV, `no variable ${key}`);
    return value;
  },
  2(_, [time], handle) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(0), number(time));
      handle.cancel = () => {
        clearTimeout(timer);
        resolve(0);
      };
    });
  },
  4: fetched,
  5(_, [length], handle) {
    const known = number(length);
    const { readable, writable } = known < 0 ? new IdentityTransformStream() : new FixedLengthStream(known);
    handle.writer = writable.getWriter();
    return { body: readable };
  },

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
  31(the, [key]) {
    const value = storage(the).kv.get(string(key)) ?? null;
    const plain = value === null || typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    if (!plain) throw new CallError(EIO, `the value of ${string(key)} is neither text nor bytes`);
    return value;
  },
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
    const { id } = object(the);
    return id.name ?? String(id);
  },

  40(the) {
    const { event } = the;
    if (!event || the.request || the.name) throw new CallError(ENOENT, "no event");
    if (!event.messages) return row([event.cron, event.scheduledTime]);
    return {
      rows: event.messages.map((/** @type {any} */ message, /** @type {number} */ index) => {
        const content = message.body;
        const plain = typeof content === "string" || content instanceof ArrayBuffer || ArrayBuffer.isView(content);
        return row([index, message.id, message.attempts, plain ? content : json(content)]);
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

/** A value of the request's or a call's that a handle stands for, as `call` gives it. @param {Served} the @param {number} id */
const called = (the, id) => /** @type {Handle | undefined} */ (the.handles?.[id - 1]);

/** What the program calls, by the numbers that ABI.md gives it. @type {Record<number, import("./midge.js").Import>} */
const imports = {
  8: respond,
  9: write,
  10: read,
  11: deadline,
  12: (the, place, size) => more().put(the.name ?? "", place, size),
  18(the, place, size) {
    const room = range(place, size);
    return room ? crypto.getRandomValues(room).length : EFAULT;
  },
  13(the, operation, parts, count) {
    const run = operations[operation];
    if (!run) return ENOSYS;
    const handles = (the.handles ??= []);
    let slot = handles.indexOf(undefined);
    if (slot < 0) slot = handles.length;
    if (slot >= MAX_HANDLES) return EMFILE;
    const table = count >>> 0 < MAX_PARTS ? range(parts, count * 8) : undefined;
    if (!table) return EFAULT;
    const words = new DataView(table.buffer, table.byteOffset, table.byteLength);
    const values = [];
    for (let at = 0; at < table.length; at += 8) {
      const value = range(words.getUint32(at, true), words.getUint32(at + 4, true));
      if (!value) return EFAULT;
      values.push(value);
    }
    /** @type {Handle} */
    const started = { result: EAGAIN, bytes: NOTHING, rows: [], row: 0 };
    handles[slot] = started;
    try {
      const result = /** @type {any} */ (run(the, values, started));
      if (typeof result?.then === "function") {
        wait(the, result.then((/** @type {unknown} */ value) => settle(started, value)).catch((/** @type {unknown} */ error) => reject(started, error)).then(() => {
          started.cancel = undefined;
          // What came too late for who gave it up.
          if (started.closed) close(started);
        }));
      } else settle(started, result);
    } catch (error) {
      reject(started, error);
    }
    return slot + 1;
  },
  14: (the, id) => called(the, id)?.result ?? EBADF,
  15(the, id, place, size) {
    const room = range(place, size);
    const bytes = called(the, id)?.bytes;
    if (!room) return EFAULT;
    if (!bytes) return EBADF;
    if (bytes.length > room.length) return EMSGSIZE;
    room.set(bytes);
    return bytes.length;
  },
  16(the, id, place, size) {
    const room = range(place, size);
    const held = called(the, id);
    if (!room) return EFAULT;
    if (!held) return EBADF;
    const row = held.rows[held.row];
    if (!row) return ENOENT;
    if (row.length <= room.length) {
      room.set(row);
      held.row++;
    }
    return row.length;
  },
  // The program wants to be polled again without anything having come, as one that only lets others go first.
  20(the) {
    wait(the, scheduler.wait(0));
    return 0;
  },
  21(the, id) {
    const held = called(the, id);
    if (!held) return EBADF;
    if (held.row >= held.rows.length) return ENOENT;
    held.row++;
    return 0;
  },
  22: send,
  17(the, id) {
    const held = called(the, id);
    if (held && the.handles) {
      close(held);
      the.handles[id - 1] = undefined;
    }
  },
};

/** What `worker` and `durableObject` take as their option of this name. @type {import("./midge.js").Calls} */
export const calls = {
  imports,
  answer,
  end,
  length: told,

  /** Runs an event that is no request. */
  async event(serve, event, env, ctx, kind, name) {
    // Only what failed has a response.
    const failed = await serve(event, env, ctx, kind, name);
    if (failed) throw new Error("midge: the event failed: " + (await failed.text()).trim());
  },

  handlers: (serve) => ({
    /** @param {any} event @param {any} env @param {any} ctx */
    scheduled: (event, env, ctx) => calls.event(serve, event, env, ctx, SCHEDULED, ""),
    /** @param {any} batch @param {any} env @param {any} ctx */
    queue: (batch, env, ctx) => calls.event(serve, batch, env, ctx, QUEUE, ""),
  }),
};
