using System.Globalization;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Workspaces;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Models;

/// <summary>
/// Opens what a person names as a model: a folder, a file, or <c>OWNER/NAME</c> of the hub's cache. What it runs on is told on standard
/// error.
/// </summary>
internal static class ModelFiles
{
    // Lines of the input wait in the engine's queue, several sequences each.
    private const int QueueLength = 1 << 16;

    /// <summary>
    /// The tokenizer of a model, or a tokenizer's file. What a file stores about length and padding counts for the file alone: a model's
    /// tokenizer neither cuts nor pads, as in transformers, and cuts at <c>max_seq_length</c> in a folder of sentence-transformers.
    /// </summary>
    public static Tokenizer Tokenizer(string model)
    {
        var path = HubModels.Resolve(model);
        if (File.Exists(path))
            return Kotonoha.Tokenizers.Tokenizer.Load(path);
        var tokenizer = File.Exists(Path.Combine(path, ModelCheckpoint.TokenizerFileName))
            ? Kotonoha.Tokenizers.Tokenizer.Load(path)
            : CheckpointText.Load(path).Tokenizer ?? throw new UsageException($"'{model}' has no tokenizer");
        var maximum = File.Exists(Path.Combine(path, SentenceTransformerFolder.ModulesFileName))
            ? EncoderFiles.Open(path).MaximumTokens
            : null;
        return tokenizer.WithPadding(null).WithTruncation(maximum is { } length ? new TruncationOptions { MaxLength = length } : null);
    }

    /// <summary>The chat template of a model.</summary>
    public static ChatTemplate Template(string model)
    {
        var text = CheckpointText.Load(HubModels.Resolve(model), mayLackTokenizer: true);
        return text.Settings.ChatTemplate is { } jinja
            ? ChatEncoding.ReadTemplate(jinja, text.Settings, text.Tokenizer)
            : throw new UsageException($"'{model}' has no chat template");
    }

    /// <summary>A causal model at work.</summary>
    public static LocalGpt Gpt(string model, int? threads, bool exact, AdapterSettings adapter = default)
    {
        var gpt = LocalGpt.Load(HubModels.Resolve(model), adapter.Apply(new LocalGptOptions
        {
            Device = ComputeDevice.Current,
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
        var encoder = LocalEncoder.Load(model, new LocalEncoderOptions
        {
            Device = ComputeDevice.Current,
            Threads = ThreadCount.Check(threads),
            QueueLength = QueueLength,
        });
        Tell(encoder.Description, encoder.Remarks);
        return encoder;
    }

    /// <summary>What makes vectors of texts: an encoder, or a causal model.</summary>
    public static ILineHandler Embedder(string model, int? threads, bool exact)
        => EncoderCheckpoint.IsEncoder(HubModels.Resolve(model))
            ? new EmbedLines(Encoder(model, threads))
            : new CausalEmbedLines(Gpt(model, threads, exact));

    private static void Tell(string description, IEnumerable<string> remarks)
    {
        Console.Error.WriteLine($"Model: {description}");
        foreach (var remark in remarks)
            Console.Error.WriteLine($"  {remark}");
    }
}

/// <summary>The GPT of a workspace, loaded; what it runs on is told on standard error.</summary>
internal sealed class LoadedModel : IDisposable
{
    private LoadedModel(LocalGpt gpt)
    {
        Gpt = gpt;
        Scorer = new GptSentenceScorer(gpt);
    }

    public LocalGpt Gpt { get; }

    public GptSentenceScorer Scorer { get; }

    public static LoadedModel Open(string path, int? threads, AdapterSettings adapter = default)
    {
        var gpt = LocalGpt.Load(path, adapter.Apply(new LocalGptOptions { Threads = threads, Device = ComputeDevice.Current }));
        Console.Error.WriteLine($"GPT: {gpt.Description}");
        foreach (var remark in gpt.Remarks)
            Console.Error.WriteLine($"  {remark}");
        return new LoadedModel(gpt);
    }

    public static LoadedModel? OpenOrNull(Workspace workspace, FolderSettings settings)
    {
        if (ModelBuilder.Exists(workspace))
            return Open(workspace.Model, settings.Threads);
        Console.Error.WriteLine(
            "No GPT has been trained on this folder ('kotonoha train' does it); sentences are ranked by their words alone.");
        return null;
    }

    public void Dispose() => Gpt.Dispose();
}

/// <summary>The number of threads that a person asks for.</summary>
internal static class ThreadCount
{
    /// <summary>The most that are taken; each has a stack and a share of the scratch memory.</summary>
    public const int Most = 1024;

    /// <summary>The number, or null for the default.</summary>
    /// <exception cref="UsageException">It is out of range.</exception>
    public static int? Check(int? threads) => threads is < 1 or > Most
        ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--threads {threads}: from 1 to {Most}"))
        : threads;
}
