using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// How a model reads and writes text, as its checkpoint says: tokenizer, special tokens, chat templates, the settings that its makers
/// recommend.
/// </summary>
/// <param name="Tokenizer">The tokenizer; null where the checkpoint has none that can be read and that was allowed.</param>
/// <param name="Settings">Special tokens and chat templates.</param>
/// <param name="Generation">Ids of special tokens and sampling.</param>
public sealed record CheckpointText(Tokenizer? Tokenizer, TokenizerSettings Settings, GenerationSettings Generation)
{
    private const string Missing = "The model has no tokenizer. Put its tokenizer.json beside the weights.";
    private const string Vocabulary = "tokenizer.ggml.";
    private const string TemplateNames = "tokenizer.chat_templates";
    private const string Sampling = "general.sampling.";

    // Metadata that recommends how to sample, and that is read.
    private static readonly string[] KnownSampling = ["temp", "top_k", "top_p", "min_p", "penalty_repeat"];

    /// <summary>Why there is no tokenizer, where that was allowed; otherwise null.</summary>
    public string? TokenizerProblem { get; private init; }

    /// <summary>Reads what lies in a folder or a GGUF file.</summary>
    /// <param name="path">A folder in the hub's layout, one of <see cref="CheckpointFolder"/>, a GGUF file, or a folder that holds a single
    /// one.</param>
    /// <param name="mayLackTokenizer">
    /// A missing or unsupported tokenizer is not an error; <see cref="TokenizerProblem"/> then says what is wrong.
    /// </param>
    /// <exception cref="CheckpointException">There is no model, or a file is broken.</exception>
    /// <exception cref="GgufException">The GGUF file is broken.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing, broken or of an unsupported kind.</exception>
    public static CheckpointText Load(string path, bool mayLackTokenizer = false)
    {
        if (GgufFolder.Find(path) is not { } file)
            return CheckpointFolder.Read(path, folder => FromFolder(folder, mayLackTokenizer));
        using var gguf = GgufFile.Open(file);
        return FromGguf(gguf, mayLackTokenizer);
    }

    internal static CheckpointText FromFolder(string folder, bool mayLackTokenizer)
        => new CheckpointText(null, TokenizerSettings.Load(folder),
            GenerationSettings.Load(folder)).With(() => TokenizerFolder.Load(folder), folder, mayLackTokenizer);

    internal static CheckpointText FromGguf(GgufFile file, bool mayLackTokenizer)
    {
        var tokens = file.Metadata.Texts(Vocabulary + "tokens") ?? [];
        var further = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in file.Metadata.Texts(TemplateNames) ?? [])
            if (name != "default"
                && !further.TryAdd(name,
                    file.Metadata.Text($"tokenizer.chat_template.{name}")
                        ?? throw file.Metadata.Missing($"tokenizer.chat_template.{name}")))
                throw new GgufException(file.Path, null, $"the metadata value '{TemplateNames}' names '{name}' twice.");
        var settings = new TokenizerSettings
        {
            BosToken = TextOf("bos"),
            EosToken = TextOf("eos"),
            UnknownToken = TextOf("unknown"),
            PadToken = TextOf("padding"),
            ChatTemplate = file.Metadata.Text("tokenizer.chat_template"),
            FurtherChatTemplates = further.Count > 0 ? further : null,
        };
        var advised = file.Metadata.Keys.Where(key => key.StartsWith(Sampling, StringComparison.Ordinal))
            .Select(key => key[Sampling.Length..]).ToList();
        var generation = new GenerationSettings
        {
            BosTokenId = IdOf("bos"),
            EosTokenIds = [.. ((int?[])[IdOf("eos"), IdOf("eot"), IdOf("eom")]).OfType<int>().Distinct()],
            PadTokenId = IdOf("padding"),
            DoSample = advised.Intersect(KnownSampling).Any() ? true : null,
            Temperature = file.Metadata.Number(Sampling + "temp"),
            TopK = file.Metadata.Whole(Sampling + "top_k"),
            TopP = file.Metadata.Number(Sampling + "top_p"),
            MinP = file.Metadata.Number(Sampling + "min_p"),
            RepetitionPenalty = file.Metadata.Number(Sampling + "penalty_repeat"),
            Ignored = [.. advised.Except(KnownSampling).Select(name => Sampling + name)],
        };
        bool hasTokenizer = file.Metadata.Text(Vocabulary + "model") is not (null or "none");
        return new CheckpointText(null, settings, generation).With(() => hasTokenizer ? Tokenizer.FromGguf(file.Metadata) : null, file.Path,
            mayLackTokenizer);

        int? IdOf(string role) => file.Metadata.Whole($"{Vocabulary}{role}_token_id");

        string? TextOf(string role) => IdOf(role) is { } id && id < tokens.Length ? tokens[id] : null;
    }

    private CheckpointText With(Func<Tokenizer?> read, string source, bool mayLackTokenizer)
    {
        try
        {
            return read() is { } tokenizer ? this with { Tokenizer = tokenizer }
                : mayLackTokenizer ? this with { TokenizerProblem = Missing }
                : throw new TokenizerException($"{source}: {Missing}");
        }
        catch (TokenizerException exception) when (mayLackTokenizer)
        {
            return this with { TokenizerProblem = exception.Message };
        }
    }
}
