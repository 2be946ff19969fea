using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers.Tiktoken;

/// <summary>What belongs to a tiktoken rank file besides the ranks.</summary>
/// <param name="Pattern">The pattern that cuts text into words (<c>pat_str</c>), in the syntax of Rust's fancy-regex.</param>
/// <param name="SpecialTokens">The control tokens and their ids.</param>
public sealed record TiktokenEncoding(string Pattern, IReadOnlyDictionary<string, int> SpecialTokens)
{
    /// <summary>GPT-2's encoding.</summary>
    public static TiktokenEncoding R50kBase { get; } = new(Gpt2WordCutter.Patterns[1], new Dictionary<string, int> { ["<|endoftext|>"] = 50256 });

    /// <summary>That of GPT-3.5 and GPT-4.</summary>
    public static TiktokenEncoding Cl100kBase { get; } = new(Cl100kWordCutter.TiktokenPattern, new Dictionary<string, int>
    {
        ["<|endoftext|>"] = 100257,
        ["<|fim_prefix|>"] = 100258,
        ["<|fim_middle|>"] = 100259,
        ["<|fim_suffix|>"] = 100260,
        ["<|endofprompt|>"] = 100276,
    });

    /// <summary>That of GPT-4o.</summary>
    public static TiktokenEncoding O200kBase { get; } = new(O200kWordCutter.Pattern, new Dictionary<string, int> { ["<|endoftext|>"] = 199999, ["<|endofprompt|>"] = 200018 });

    /// <summary>Reads a JSON file with <c>pat_str</c> and <c>special_tokens</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The encoding.</returns>
    /// <exception cref="TokenizerException">The file cannot be read or is malformed.</exception>
    public static TiktokenEncoding Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = new JsonPlace(document.RootElement, "");
            var special = new Dictionary<string, int>(StringComparer.Ordinal);
            if (!root["special_tokens"].IsNull)
                foreach (var (token, id) in root["special_tokens"].Members())
                    special[token] = id.AsId();
            return new TiktokenEncoding(root["pat_str"].AsString(), special);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or TokenizerException)
        {
            throw new TokenizerException($"{path}: {exception.Message}", exception);
        }
    }
}
