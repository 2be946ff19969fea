// node llama_embed.mjs NODE_MODULES_PARENT MODEL.gguf THREADS: reads JSON lists of texts, one a line; answers {seconds, vectors} for each.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [folder, modelPath, threads] = process.argv.slice(2);
const require = createRequire(path.join(folder, "package.json"));
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const { version } = JSON.parse((await import("node:fs")).readFileSync(path.join(folder, "node_modules/node-llama-cpp/package.json")));
const llama = await getLlama({ gpu: false, build: "never", maxThreads: Number(threads), logLevel: "error" });
const model = await llama.loadModel({ modelPath });
const context = await model.createEmbeddingContext({ threads: Number(threads) });
console.log(`llama.cpp (node-llama-cpp ${version}), ${threads} threads`);

for await (const line of createInterface({ input: process.stdin })) {
    const texts = JSON.parse(line);
    const started = performance.now();
    const vectors = [];
    for (const text of texts) vectors.push((await context.getEmbeddingFor(model.tokenize(text).slice(0, 254))).vector);
    console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, vectors }));
}
