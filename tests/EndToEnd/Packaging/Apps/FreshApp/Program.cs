// Uses every package once: trains a GPT for a few steps, asks it, searches a document, renders a prompt, calculates. Prints one line for
// each.
using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Tools;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Rag.Stores;
using Kotonoha.Rag;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

string text = string.Concat(Enumerable.Repeat("The kettle boils at one hundred degrees. 湯は百度で沸く。\n", 40));

Tokenizer tokenizer = Tokenizer.TrainByteLevelBpe([text], vocabularySize: 300);
using (Gpt2 model =
    Gpt2.Create(
        Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize, ContextLength = 2048, Width = 32, Layers = 1, Heads = 2 }))
using (TokenDataset dataset = TokenDataset.FromTokens(tokenizer.Encode(text), tokenizer.VocabularySize))
{
    var losses = new List<double>();
    await new Trainer(model, new TrainingOptions { Steps = 30, BatchSize = 4, ContextLength = 32, Threads = 1 }).RunAsync(dataset,
        new Losses(losses));
    Console.WriteLine($"LocalModel: {losses.Count} steps, loss {(losses[^1] < losses[0] ? "fell" : "rose")}");
    model.Save("model", tokenizer);
}

using LocalGpt gpt = LocalGpt.Load("model");
using IChatClient chat = gpt.AsChatClient();
ChatResponse response = await chat.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 4, Temperature = 0 });
Console.WriteLine($"Connector: {response.Usage?.OutputTokenCount} tokens, {response.FinishReason}");

await using (var knowledge = new KnowledgeBase(EmbeddedStore.Open("kb.db")))
{
    Directory.CreateDirectory("docs");
    await File.WriteAllTextAsync("docs/kettle.md", "# Kettle\n\nThe kettle boils at one hundred degrees.\n");
    await File.WriteAllTextAsync("docs/lamp.md", "# Lamp\n\nThe lamp has a green shade.\n");
    await knowledge.SyncFolderAsync("docs");
    var hits = await knowledge.SearchAsync("When does the kettle boil?");
    Console.WriteLine($"Rag: {hits[0].Chunk.Source}");

    // A PDF file by hand; it is read by a child process.
    const string Content = "BT /F1 12 Tf 72 700 Td (The samovar boils at ninety degrees.) Tj ET";
    await File.WriteAllTextAsync("docs/report.pdf", $"""
        %PDF-1.4
        1 0 obj
        << /Type /Catalog /Pages 2 0 R >>
        endobj
        2 0 obj
        << /Type /Pages /Kids [3 0 R] /Count 1 >>
        endobj
        3 0 obj
        << /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>
        endobj
        4 0 obj
        << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>
        endobj
        5 0 obj
        << /Length {Content.Length} >>
        stream
        {Content}
        endstream
        endobj
        trailer
        << /Size 6 /Root 1 0 R >>
        %%EOF
        """.ReplaceLineEndings("\n"));
    await knowledge.SyncFolderAsync("docs");
    hits = await knowledge.SearchAsync("When does the samovar boil?");
    Console.WriteLine($"Rag: {hits[0].Chunk.Source}, page {hits[0].Chunk.Page}");
}

var kernel = new Kernel();
kernel.Plugins.AddFromFunctions("math",
    [KernelFunctionFactory.CreateFromMethod((string expression) => Calculator.Evaluate(expression), "calculator")]);
IPromptTemplate template =
    new LiteralPromptTemplateFactory().Create(
        new PromptTemplateConfig("<message role=\"user\">{{$greeting}}, {{math.calculator '6*7'}}</message>"));
var messages = ChatPrompt.Parse(await template.RenderAsync(kernel, new KernelArguments { ["greeting"] = "<Hello>" }));
Console.WriteLine($"Agents: {messages[0].Role} {messages[0].Text}");

// A model of 30 steps knows nothing: what counts is that the run ends and says why.
var agent =
    new ReActAgent(chat, [Calculator.CreateFunction()],
        new ReActOptions { MaxSteps = 1, MaxRepairs = 0, ChatOptions = new ChatOptions { MaxOutputTokens = 96, Temperature = 0 } });
ReasoningResult result = (await agent.RunAsync("What is 6 * 7?")).GetReasoning()!;
Console.WriteLine($"Agents: the run ended after {result.Steps.Count(step => step.StopReason is not null)} reason");

internal sealed class Losses(List<double> losses) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => losses.Add(value.Loss);
}
