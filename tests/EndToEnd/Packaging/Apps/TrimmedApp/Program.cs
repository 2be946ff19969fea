// Trains a GPT for a few steps, saves and loads it, and asks it through the connector: all of it trimmed.
using Kotonoha.Connector;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

string text = string.Concat(Enumerable.Repeat("one two three four five. ", 60));
Tokenizer tokenizer = Tokenizer.TrainByteLevelBpe([text], vocabularySize: 280);
using (Gpt2 model =
    Gpt2.Create(Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize, ContextLength = 64, Width = 16, Layers = 1, Heads = 2 }))
using (TokenDataset dataset = TokenDataset.FromTokens(tokenizer.Encode(text), tokenizer.VocabularySize))
{
    await new Trainer(model, new TrainingOptions { Steps = 3, BatchSize = 2, Threads = 1 }).RunAsync(dataset);
    model.Save("model", tokenizer);
}

using LocalGpt gpt = LocalGpt.Load("model");
using IChatClient chat = gpt.AsChatClient();
int updates = 0;
await foreach (ChatResponseUpdate update in chat.GetStreamingResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 3, Temperature = 0 }))
    updates++;
Console.WriteLine($"trimmed: {chat.GetService<ChatClientMetadata>()!.ProviderName}, {(updates > 0 ? "streamed" : "silent")}");
