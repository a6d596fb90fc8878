// node vectors.mjs MODULE VECTORS: derives by the module what the file of vectors has, and prints it in the same form.
import {readFileSync} from "node:fs";
import {webcrypto} from "node:crypto";
import {pathToFileURL} from "node:url";

globalThis.crypto ??= webcrypto; // node 18 has it there only
const sync = await import(pathToFileURL(process.argv[2]));
const vectors = JSON.parse(readFileSync(process.argv[3], "utf8"));

const how = {
    scrypt: async (given) => {
        const derived = await sync.scrypt(sync.bytesOf(given.password), sync.bytesOf(given.salt), given, given.derived.length / 2);
        return {derived: sync.hexOf(derived)};
    },
    keys: async (given) => {
        const {login, hmac} = await sync.deriveKeys(given.password, given.email, given.saltSeed, given);
        return {login, hmac: sync.hexOf(hmac)};
    },
    hmac: async (given) => ({hmac: await sync.walletHmac(sync.bytesOfHex(given.key), given.sequence, given.encryptedWallet)}),
    cipher: async (given) => ({
        data: sync.textOf(await sync.decrypt(given.password, given.encryptedWallet)),
        encryptedWallet: await sync.encrypt(given.password, sync.bytesOf(given.data), sync.bytesOfHex(given.vector)),
    }),
};
const found = {};
for (const [kind, derive] of Object.entries(how)) {
    found[kind] = [];
    for (const given of vectors[kind]) found[kind].push({...given, ...await derive(given)});
}
console.log(JSON.stringify(found));
