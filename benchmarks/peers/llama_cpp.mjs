// llama.cpp (npm: node-llama-cpp in the current folder) behind a line protocol: one JSON request a line in, one JSON answer a line out.
//   {"op":"load","path":FILE,"context":N,"threads":N,"f32Cache":BOOL}   {"op":"greedy","tokens":[…],"count":N}   {"op":"decode",…} as greedy, timed
//   {"op":"prefill","tokens":[…]}   {"op":"tokenize","text":TEXT}
//   {"op":"batch","prompts":[[…]…],"count":N}: as many sequences as "load" was given by "sequences", each goes on with its prompt, all together
import {createInterface} from "node:readline";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {readFileSync} from "node:fs";

const folder = resolve("node_modules/node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(resolve(folder, "dist/index.js")));
const version = JSON.parse(readFileSync(resolve(folder, "package.json"))).version;
const log = [];
const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, logger: (_, message) => log.push(message.trim())});
let model, options, context, sequence;

const processorSeconds = (since) => { const used = process.cpuUsage(since); return (used.user + used.system) / 1e6; };
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");
answer({description: `node-llama-cpp ${version}, ${llama.systemInfo.replace(/\s+/g, " ").trim()}`});

for await (const line of createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    log.length = 0;
    try {
        switch (request.op) {
            case "load": {
                await context?.dispose();
                await model?.dispose();
                model = await llama.loadModel({modelPath: request.path, gpuLayers: 0, useMmap: true});
                const cache = request.f32Cache ? {experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"} : {};
                options = {contextSize: request.context, batchSize: request.context, threads: request.threads, sequences: request.sequences ?? 1, flashAttention: false, ...cache};
                context = await model.createContext(options);
                sequence = context.getSequence();
                answer({vocabulary: model.fileInfo.metadata.tokenizer?.ggml?.tokens?.length ?? 0, threads: context.currentThreads});
                break;
            }
            case "greedy":
            case "decode": {
                await sequence.clearHistory();
                const ids = [];
                let start = 0n, used = process.cpuUsage();
                for await (const token of sequence.evaluate(request.tokens, {temperature: 0, yieldEogToken: true})) {
                    if (ids.length === 0) {
                        start = process.hrtime.bigint();
                        used = process.cpuUsage();
                    }

                    ids.push(token);
                    if (ids.length > request.count - (request.op === "greedy" ? 1 : 0))
                        break;
                }
                answer({ids: ids.slice(0, request.count), seconds: Number(process.hrtime.bigint() - start) / 1e9, processor: processorSeconds(used), steps: ids.length - 1});
                break;
            }
            case "prefill": {
                await sequence.clearHistory();
                const start = process.hrtime.bigint(), used = process.cpuUsage();
                await sequence.evaluateWithoutGeneratingNewTokens(request.tokens);
                answer({seconds: Number(process.hrtime.bigint() - start) / 1e9, processor: processorSeconds(used)});
                break;
            }
            case "batch": {
                // A context of their own: sequences that are left while others go on do not always start again.
                await context.dispose();
                context = await model.createContext(options);
                const sequences = request.prompts.map(() => context.getSequence());
                const start = process.hrtime.bigint(), used = process.cpuUsage();
                const generators = request.prompts.map((prompt, i) => sequences[i].evaluate(prompt, {temperature: 0}));
                const ids = await Promise.all(generators.map(async (generator) => {
                    const own = [];
                    for (let next; own.length < request.count && !(next = await generator.next()).done;)
                        own.push(next.value);
                    return own;
                }));
                answer({ids, seconds: Number(process.hrtime.bigint() - start) / 1e9, processor: processorSeconds(used)});
                break;
            }
            case "tokenize":
                answer({ids: model.tokenize(request.text, false)});
                break;
            default:
                answer({error: `unknown operation ${request.op}`});
        }
    } catch (error) {
        answer({error: [String(error?.message ?? error), ...log].join("; ")});
    }
}
process.exit(0);
