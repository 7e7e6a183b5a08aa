// Vercel's AI SDK with OpenRouter's provider for it: prints what came of each model as a line of JSON.
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const openrouter = createOpenRouter({
  apiKey: process.env.OPENROUTER_API_KEY,
  baseURL: process.env.OPENROUTER_BASE_URL,
});
const getWeather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});
const thinking = { openrouter: { reasoning: { max_tokens: 2000 } } };

// Array.fromAsync, which Node.js has only from 22 on.
async function all(stream) {
  const found = [];
  for await (const each of stream) found.push(each);
  return found;
}

async function factsOf(name) {
  const model = openrouter(name, { usage: { include: true } });
  const asked = { model, prompt: process.env.PROMPT };
  const talk = { ...asked, tools: { get_weather: getWeather }, stopWhen: stepCountIs(3), providerOptions: thinking };

  const whole = await generateText(asked);
  const stream = streamText(asked);
  const pieces = await all(stream.textStream);
  const run = await generateText(talk);
  const streamedRun = streamText(talk);
  const kinds = (await all(streamedRun.fullStream)).map((part) => part.type);
  const schema = z.object({ city: z.string(), country: z.string() });
  const { object } = await generateObject({ ...asked, schema });
  return {
    model: name,
    text: whole.text,
    cost: whole.providerMetadata.openrouter.usage.cost,
    streamed: { text: pieces.join(""), pieces: pieces.length, cost: (await stream.providerMetadata).openrouter.usage.cost },
    run: { text: run.text, steps: run.steps.length, calls: run.steps[0].toolCalls.map((call) => call.input) },
    streamedRun: { text: await streamedRun.text, steps: (await streamedRun.steps).length, kinds: [...new Set(kinds)] },
    object,
  };
}

for (const name of process.env.MODELS.split(",")) {
  console.log(JSON.stringify(await factsOf(name)));
}
