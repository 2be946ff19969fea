using Kotonoha.Cli.Lines;
using Kotonoha.LocalModel.Chat;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Checkpoints.Hub;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.Cli.Models;

/// <summary>Opens what a person names as a model: a folder, a file, or <c>OWNER/NAME</c> of the hub's cache. What it runs on is told on standard error.</summary>
internal static class ModelFiles
{
    // Lines of the input wait in the engine's queue, several sequences each.
    private const int QueueLength = 1 << 16;

    /// <summary>
    /// The tokenizer of a model, or a tokenizer's file. What a file stores about length and padding counts for the file alone: a model's tokenizer neither cuts nor
    /// pads, as in transformers, and cuts at <c>max_seq_length</c> in a folder of sentence-transformers.
    /// </summary>
    public static Tokenizer Tokenizer(string model)
    {
        var path = HubModels.Resolve(model);
        if (File.Exists(path))
            return LocalModel.Tokenizers.Tokenizer.Load(path);
        var tokenizer = File.Exists(Path.Combine(path, ModelCheckpoint.TokenizerFileName))
            ? LocalModel.Tokenizers.Tokenizer.Load(path)
            : CheckpointText.Load(path).Tokenizer ?? throw new UsageException($"'{model}' has no tokenizer");
        var maximum = File.Exists(Path.Combine(path, SentenceTransformerFolder.ModulesFileName)) ? EncoderFiles.Open(path).MaximumTokens : null;
        return tokenizer.WithPadding(null).WithTruncation(maximum is { } length ? new TruncationOptions { MaxLength = length } : null);
    }

    /// <summary>The chat template of a model.</summary>
    public static ChatTemplate Template(string model)
    {
        var text = CheckpointText.Load(HubModels.Resolve(model), mayLackTokenizer: true);
        return text.Settings.ChatTemplate is { } jinja
            ? ChatTemplate.FromJinja(jinja, text.Settings, text.Tokenizer)
            : throw new UsageException($"'{model}' has no chat template");
    }

    /// <summary>A causal model at work.</summary>
    public static LocalGpt Gpt(string model, int? threads, bool exact, AdapterSettings adapter = default)
    {
        var gpt = LocalGpt.Load(HubModels.Resolve(model), adapter.Apply(new LocalGptOptions
        {
            Threads = ThreadCount.Check(threads),
            ModelId = HubModels.NameOf(model),
            QueueLength = QueueLength,
            AllowMissingTokenizer = true,
            Exact = exact,
        }));
        Tell(gpt.Description, gpt.Remarks);
        return gpt;
    }

    /// <summary>An encoder at work.</summary>
    public static LocalEncoder Encoder(string model, int? threads)
    {
        var encoder = LocalEncoder.Load(model, new LocalEncoderOptions { Threads = ThreadCount.Check(threads), QueueLength = QueueLength });
        Tell(encoder.Description, encoder.Remarks);
        return encoder;
    }

    /// <summary>What makes vectors of texts: an encoder, or a causal model.</summary>
    public static ILineHandler Embedder(string model, int? threads, bool exact)
        => EncoderCheckpoint.IsEncoder(HubModels.Resolve(model)) ? new EmbedLines(Encoder(model, threads)) : new CausalEmbedLines(Gpt(model, threads, exact));

    private static void Tell(string description, IEnumerable<string> remarks)
    {
        Console.Error.WriteLine($"Model: {description}");
        foreach (var remark in remarks)
            Console.Error.WriteLine($"  {remark}");
    }
}
