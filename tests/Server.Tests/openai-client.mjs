// Calls the server through OpenAI's JavaScript client and says for each call whether it came out as it must.
// Usage: node openai-client.mjs BASE-URL MODEL    (beside a node_modules with openai)
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [base, model, folder] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const OpenAI = require('openai').default;
const client = new OpenAI({ baseURL: base, apiKey: 'none', maxRetries: 0 });
let failed = 0;

async function check(name, call) {
  try {
    await call();
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}: ${error?.message ?? error}`);
  }
}

function must(condition, what) {
  if (!condition) throw new Error(what);
}

const messages = [{ role: 'user', content: 'Hello' }];
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a city.',
    parameters: { type: 'object', properties: { city: { enum: ['Kyoto', 'Nara'] } }, required: ['city'], additionalProperties: false },
  },
};
const answer = {
  type: 'json_schema',
  json_schema: {
    name: 'answer',
    strict: true,
    schema: { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'], additionalProperties: false },
  },
};

await check('models.list', async () => {
  const ids = [];
  for await (const one of await client.models.list()) ids.push(one.id);
  must(ids.includes(model), `${ids}`);
});
await check('models.retrieve', async () => must((await client.models.retrieve(model)).id === model, 'another model'));
await check('models.retrieve of what is not there', async () => {
  try {
    await client.models.retrieve('nothing');
  } catch (error) {
    must(error instanceof OpenAI.NotFoundError && error.code === 'model_not_found', `${error}`);
    return;
  }
  must(false, 'no error');
});
await check('chat', async () => {
  const reply = await client.chat.completions.create({ model, messages, max_tokens: 5, seed: 1 });
  must(reply.object === 'chat.completion' && reply.usage.completion_tokens <= 5 && reply.choices[0].finish_reason, JSON.stringify(reply));
});
await check('chat, streamed, is the same', async () => {
  const settings = { model, messages, max_tokens: 8, seed: 2, temperature: 1 };
  const whole = await client.chat.completions.create(settings);
  let text = '';
  let usage;
  for await (const part of await client.chat.completions.create({ ...settings, stream: true, stream_options: { include_usage: true } })) {
    text += part.choices[0]?.delta?.content ?? '';
    usage = part.usage ?? usage;
  }
  must(text === (whole.choices[0].message.content ?? ''), `${JSON.stringify(text)} ≠ ${JSON.stringify(whole.choices[0].message.content)}`);
  must(usage.total_tokens === whole.usage.total_tokens, 'usage');
});
await check('chat.completions.stream helper', async () => {
  const stream = client.chat.completions.stream({ model, messages, max_tokens: 5 });
  const events = [];
  stream.on('content', (delta) => events.push(delta));
  const done = await stream.finalChatCompletion();
  must(events.join('') === (done.choices[0].message.content ?? ''), 'the parts are another text');
});
await check('n, logprobs', async () => {
  const reply = await client.chat.completions.create({ model, messages, max_tokens: 3, n: 2, logprobs: true, top_logprobs: 2, temperature: 1 });
  must(reply.choices.length === 2 && reply.choices[0].logprobs.content[0].top_logprobs.length === 2, JSON.stringify(reply.choices[0]));
});
await check('JSON schema', async () => {
  const reply = await client.chat.completions.create({ model, messages, response_format: answer, max_tokens: 60 });
  must(typeof JSON.parse(reply.choices[0].message.content).sure === 'boolean', reply.choices[0].message.content);
});
await check('chat.completions.parse helper', async () => {
  const reply = await client.chat.completions.parse({ model, messages, response_format: answer, max_tokens: 60 });
  must(typeof reply.choices[0].message.parsed.sure === 'boolean', JSON.stringify(reply.choices[0]));
});
await check('tools', async () => {
  const reply = await client.chat.completions.create({ model, messages, tools: [weather], tool_choice: 'required', max_tokens: 80 });
  const call = reply.choices[0].message.tool_calls[0];
  must(call.function.name === 'weather' && ['Kyoto', 'Nara'].includes(JSON.parse(call.function.arguments).city), JSON.stringify(call));
  must(reply.choices[0].finish_reason === 'tool_calls', reply.choices[0].finish_reason);
});
await check('runTools helper', async () => {
  const asked = [];
  const runner = client.chat.completions.runTools(
    {
      model,
      messages,
      max_tokens: 80,
      tool_choice: { type: 'function', function: { name: 'weather' } },
      tools: [{ type: 'function', function: { ...weather.function, parse: JSON.parse, function: ({ city }) => (asked.push(city), 'rain') } }],
    },
    { maxChatCompletions: 1 },
  );
  await runner.done().catch(() => undefined);
  must(['Kyoto', 'Nara'].includes(asked[0]), `${asked}`);
});
await check('completions', async () => {
  const reply = await client.completions.create({ model, prompt: 'The', max_tokens: 4, echo: true });
  must(reply.choices[0].text.startsWith('The'), JSON.stringify(reply.choices[0]));
});
await check('completions, streamed', async () => {
  let parts = 0;
  for await (const part of await client.completions.create({ model, prompt: 'The', max_tokens: 4, stream: true })) parts += part.choices.length;
  must(parts > 0, 'no parts');
});
await check('embeddings', async () => {
  const [floats, packed] = await Promise.all(
    ['float', 'base64'].map((encoding_format) => client.embeddings.create({ model, input: ['a', 'b'], encoding_format })),
  );
  must(floats.data.length === 2 && floats.data[0].embedding.length > 0, 'no vectors');
  const bytes = Buffer.from(packed.data[1].embedding, 'base64');
  must(Math.abs(bytes.readFloatLE(0) - floats.data[1].embedding[0]) < 1e-6, 'base64 holds other numbers');
});
await check('responses', async () => {
  const first = await client.responses.create({ model, input: 'Hello', max_output_tokens: 16 });
  must(first.object === 'response' && typeof first.output_text === 'string', JSON.stringify(first));
  const second = await client.responses.create({ model, input: 'Again', previous_response_id: first.id, max_output_tokens: 16 });
  must(second.previous_response_id === first.id && second.usage.input_tokens > first.usage.input_tokens, JSON.stringify(second.usage));
  must((await client.responses.retrieve(first.id)).id === first.id, 'not kept');
});
await check('responses, streamed', async () => {
  let text = '';
  let completed;
  for await (const event of await client.responses.create({ model, input: 'Hello', max_output_tokens: 16, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed' || event.type === 'response.incomplete') completed = event.response;
  }
  must(completed && completed.output.flatMap((item) => item.content ?? []).map((part) => part.text).join('') === text, text);
});
await check('an error is the client\'s', async () => {
  try {
    await client.chat.completions.create({ model, messages, temperature: 9 });
  } catch (error) {
    must(error instanceof OpenAI.BadRequestError && error.param === 'temperature', `${error} ${error.param}`);
    return;
  }
  must(false, 'no error');
});
await check('an aborted stream leaves the server well', async () => {
  const stream = await client.chat.completions.create({ model, messages, max_tokens: 400, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
  await client.chat.completions.create({ model, messages, max_tokens: 2 });
});
process.exit(failed ? 1 : 0);
