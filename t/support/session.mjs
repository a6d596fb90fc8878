// node session.mjs MODULE URL EMAIL PASSWORD: devices in JavaScript do what t/test_javascript_client.py asks for by lines of
// JSON, [device, call, argument…], and answer each by a line: {value} or {error, kind, status}. Wallets are text here.
import {webcrypto} from "node:crypto";
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";

globalThis.crypto ??= webcrypto; // node 18 has it there only
const [module, url, email, password] = process.argv.slice(2);
const sync = await import(pathToFileURL(module));
const devices = {};

// The network loses some answers to what is posted, after the server has done it.
let lose = 0;
const honest = globalThis.fetch;
globalThis.fetch = async (where, options) => {
    const reply = await honest(where, options);
    if (lose && options.method === "POST") {
        lose -= 1;
        throw new TypeError("lost");
    }
    return reply;
};

const shown = (value) => (value?.data ? {...value, data: sync.textOf(value.data)} : value ?? null);
const merge = (base, mine, theirs) => {
    const had = base ? sync.textOf(base) : "";
    return sync.bytesOf(sync.textOf(theirs) + sync.textOf(mine).slice(had.length));
};
const calls = {
    make: (name, known = {}) => {
        const options = {kdf: {n: 1 << 10, r: 8, p: 1, saltDigits: 32}, patience: 120, ...known};
        devices[name] = new sync.Client(url, email, password, name, options);
    },
    lose: (name, number) => { lose = number; },
    signup: (name) => devices[name].signup(),
    login: (name) => devices[name].login(),
    get: (name) => devices[name].getWallet(),
    save: (name, text) => devices[name].saveWallet(sync.bytesOf(text)),
    merge: (name, text) => devices[name].saveWallet(sync.bytesOf(text), merge),
    changePassword: (name, next) => devices[name].changePassword(next),
    known: (name, sequence) => { devices[name].known = sequence ? {sequence, data: sync.bytesOf("")} : null; },
};

for await (const line of createInterface({input: process.stdin})) {
    const [device, call, ...given] = JSON.parse(line);
    try {
        console.log(JSON.stringify({value: shown(await calls[call](device, ...given))}));
    } catch (error) {
        const {message, status, theirs} = error;
        console.log(JSON.stringify({error: message, kind: error.constructor.name, status, theirs: shown(theirs)}));
    }
}
