using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class LocalGptLoadTests
{
    [Fact]
    public async Task A_gguf_file_and_the_folder_that_holds_it_alone_are_models()
    {
        using var folder = FixtureArchive.Extract("models-gguf");
        var file = folder.At("llama-q8_0.gguf");
        Assert.Contains("several models (llama-q8_0.gguf, qwen2-f16.gguf)",
            Assert.Throws<CheckpointException>(() => LocalGpt.Load(folder.Path)).Message, StringComparison.Ordinal);
        File.Delete(folder.At("qwen2-f16.gguf"));
        using var byFile = LocalGpt.Load(file, new LocalGptOptions { Threads = 1 });
        using var byFolder = LocalGpt.Load(folder.Path, new LocalGptOptions { Threads = 1, Exact = true });
        Assert.Equal("llama-q8_0", byFile.ModelId);
        Assert.Equal([2], byFile.EndTokens);
        var request =
            GenerationRequest.FromPrompt("The harbour is calm") with
            {
                MaxOutputTokens = 5,
                Sampling = SamplingOptions.Greedy,
                IgnoreEndTokens = true
            };
        Assert.Equal(5, (await byFile.CompleteAsync(request)).TokenIds.Count);
        Assert.Equal(5, (await byFolder.CompleteAsync(request)).TokenIds.Count);
    }

    [Theory]
    [InlineData("GPT2Tokenizer")]
    [InlineData("Qwen2Tokenizer")]
    public void A_folder_with_the_older_vocabulary_files_gives_the_ids_of_its_tokenizer_json(string tokenizerClass)
    {
        using var folder = new TemporaryFolder();
        var tokenizer =
            Tokenizer.TrainByteLevelBpe(["the quick brown fox's 12 34 jumps", "  over the lazy dog\n\n"], 290, minFrequency: 1,
                ["<|endoftext|>", "<|extra|>"]);
        using (var stream = File.Create(folder.At("whole.json")))
            tokenizer.Write(stream);
        var json = JsonNode.Parse(File.ReadAllText(folder.At("whole.json")))!;
        var vocabulary = json["model"]!["vocab"]!.AsObject();
        foreach (var added in json["added_tokens"]!.AsArray())
            if ((string)added!["content"]! != "<|extra|>")
                vocabulary[(string)added["content"]!] = (int)added["id"]!;
        vocabulary.Remove("<|extra|>");
        File.WriteAllText(folder.At("vocab.json"), vocabulary.ToJsonString());
        File.WriteAllLines(folder.At("merges.txt"),
            ["#version: 0.2",
                .. json["model"]!["merges"]!.AsArray().Select(m => m is JsonArray pair ? $"{pair[0]} {pair[1]}" : (string)m!)]);
        File.WriteAllText(folder.At("added_tokens.json"), $$"""{"<|extra|>": {{tokenizer.TokenToId("<|extra|>")}}}""");
        File.WriteAllText(folder.At("tokenizer_config.json"), $$"""{"tokenizer_class": "{{tokenizerClass}}", "eos_token": "<|endoftext|>"}""");
        var older = TokenizerFolder.Load(folder.Path)!;

        // The two patterns cut these words alike.
        const string Text = "the fox<|extra|> jumps over<|endoftext|> lazy dog";
        Assert.Equal(tokenizer.Encode(Text, parseSpecialTokens: true), older.Encode(Text, parseSpecialTokens: true));
        Assert.Equal(Text, older.Decode(older.Encode(Text, parseSpecialTokens: true)));
    }

    [Fact]
    public void Vocabulary_files_of_an_unknown_class_are_refused_with_the_known_ones()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("vocab.json"), "{}");
        File.WriteAllText(folder.At("merges.txt"), "");
        File.WriteAllText(folder.At("tokenizer_config.json"), """{"tokenizer_class": "CodeGenTokenizer"}""");
        Assert.Contains("known are GPT2Tokenizer and Qwen2Tokenizer",
            Assert.Throws<TokenizerException>(() => TokenizerFolder.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_adapter_gives_the_same_tokens_active_and_merged_and_others_than_the_model_without_it()
    {
        using var folder = FixtureArchive.Extract("models-llama");
        var options = new LocalGptOptions { Threads = 1, AllowMissingTokenizer = true };
        var request =
            new GenerationRequest { TokenIds = [5, 6, 7], MaxOutputTokens = 8, Sampling = SamplingOptions.Greedy, IgnoreEndTokens = true };
        async Task<int[]> Run(LocalGptOptions chosen)
        {
            using var gpt = LocalGpt.Load(folder.At("llama"), chosen);
            return [.. (await gpt.CompleteAsync(request)).TokenIds];
        }

        var active = await Run(options with { Adapter = folder.At("lora-llama-dora") });
        Assert.Equal(active, await Run(options with { Adapter = folder.At("lora-llama-dora"), MergeAdapter = true }));
        Assert.NotEqual(active, await Run(options));
    }

    [Fact]
    public void The_default_context_of_a_large_model_keeps_the_cache_within_a_gibibyte_and_says_so()
    {
        var config =
            new LlamaConfig
            {
                VocabularySize = TinyGpt.Tokenizer.VocabularySize,
                ContextLength = 131072,
                Width = 8,
                Layers = 32,
                Heads = 8,
                KeyHeads = 8,
                HeadWidth = 128,
                InnerWidth = 8
            };
        using var gpt = LocalGpt.Create(Llama.Create(config), TinyGpt.Tokenizer, new LocalGptOptions { Threads = 1 });
        Assert.Equal(4096, gpt.ContextLength);
        Assert.Contains(gpt.Remarks, r => r.Contains("131,072", StringComparison.Ordinal));
        using var chosen =
            LocalGpt.Create(Llama.Create(config), TinyGpt.Tokenizer, new LocalGptOptions { Threads = 1, ContextLength = 512 });
        Assert.Equal(512, chosen.ContextLength);
        Assert.Empty(chosen.Remarks);
    }
}
