using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.Tests.Support;

/// <summary>Small models with random weights and a byte-level tokenizer: everything runs for real, only the text means nothing.</summary>
public static class TinyGpt
{
    public const int ContextLength = 96;

    /// <summary>Byte-level, with the control tokens of the chat template; Japanese characters take several tokens each.</summary>
    public static Tokenizer Tokenizer { get; } = Train();

    /// <summary>The same with the tokens by which a text is filled in.</summary>
    public static Tokenizer InfillTokenizer { get; } = Train("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>");

    public static Gpt2 Model(ulong seed = 7, int contextLength = ContextLength, Tokenizer? tokenizer = null) => Gpt2.Create(
        new Gpt2Config
        {
            VocabularySize = (tokenizer ?? Tokenizer).VocabularySize,
            ContextLength = contextLength,
            Width = 32,
            Layers = 2,
            Heads = 4,
            InitializerRange = 0.4f
        }, seed);

    public static Llama Llama(int contextLength = ContextLength, RopeScaling? scaling = null) => LocalModel.Models.Llama.Create(
        new LlamaConfig
        {
            VocabularySize = Tokenizer.VocabularySize,
            ContextLength = contextLength,
            RopeScaling = scaling,
            Width = 32,
            Layers = 2,
            Heads = 4,
            KeyHeads = 2,
            HeadWidth = 8,
            InnerWidth = 64,
            QueryKeyNorm = true,
            SlidingWindow = 100,
            InitializerRange = 0.4f,
        },
        seed: 7);

    public static LocalGpt Create(LocalGptOptions? options = null, ulong seed = 7, int contextLength = ContextLength)
        => LocalGpt.Create(Model(seed, contextLength), Tokenizer,
            (options ?? new LocalGptOptions()) with { Threads = options?.Threads ?? 1 });

    /// <summary>Settings under which the model says exactly this text and then its end token, whatever its weights are.</summary>
    public static SamplingOptions Saying(string text)
    {
        int[] ids = [.. Tokenizer.Encode(text), Tokenizer.TokenToId("<|end|>")!.Value];

        // Each token is pushed where all the tokens before it stand; the first one while nothing was generated yet.
        var biases = new List<TokenSequenceBias>();
        for (int i = 1; i < ids.Length; i++)
            biases.Add(new TokenSequenceBias(ids[..(i + 1)], 1000f * i));
        return SamplingOptions.Greedy with { SequenceBias = biases, LogitBias = new Dictionary<int, float> { [ids[0]] = 500 } };
    }

    private static Tokenizer Train(params string[] further) => Tokenizer.TrainByteLevelBpe(
        ["the quick brown fox jumps over the lazy dog", "the slow brown fox"], 280, minFrequency: 2,
        [.. ChatTemplate.Kotonoha.ControlTokens, .. further]);
}
