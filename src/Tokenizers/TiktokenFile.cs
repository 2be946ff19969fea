using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>What belongs to a tiktoken rank file besides the ranks.</summary>
/// <param name="Pattern">The pattern that cuts text into words (<c>pat_str</c>), in the syntax of Rust's fancy-regex.</param>
/// <param name="SpecialTokens">The control tokens and their ids.</param>
public sealed record TiktokenEncoding(string Pattern, IReadOnlyDictionary<string, int> SpecialTokens)
{
    /// <summary>GPT-2's encoding.</summary>
    public static TiktokenEncoding R50kBase { get; } =
        new(Gpt2WordCutter.Patterns[1], new Dictionary<string, int> { ["<|endoftext|>"] = 50256 });

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
    public static TiktokenEncoding O200kBase { get; } =
        new(O200kWordCutter.Pattern, new Dictionary<string, int> { ["<|endoftext|>"] = 199999, ["<|endofprompt|>"] = 200018 });

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

/// <summary>
/// Reads a tiktoken rank file: each line is a token's bytes in base64 and its rank, which is its id. The pair whose joined bytes have the
/// lowest rank is joined first; a word that is a token is taken as it is (source: tiktoken's lib.rs).
/// </summary>
internal static class TiktokenFile
{
    private const int MaxTokenBytes = 1 << 16;
    private const int MaxRank = 16_777_215;

    /// <summary>Reads the ranks and puts the pipeline together.</summary>
    /// <exception cref="TokenizerException">The content is malformed, or the pattern cannot be run.</exception>
    public static TokenizerParts Read(ReadOnlySpan<byte> content, TiktokenEncoding encoding)
    {
        var vocabulary = new Vocabulary();
        var ranked = new List<(int Rank, string Token)>();
        int line = 0;
        foreach (var range in content.Split((byte)'\n'))
        {
            line++;
            var row = content[range].TrimEnd((byte)'\r');
            if (row.IsEmpty)
                continue;
            var (token, rank) = ReadLine(row, line);
            if (!vocabulary.TryAdd(token, rank))
                throw Wrong(line, "repeats a token or a rank");
            ranked.Add((rank, token));
        }

        foreach (char c in ByteAlphabet.Characters)
            if (!vocabulary.TryGetId([c], out _))
                throw new TokenizerException($"the ranks lack the single byte that is spelled '{c}', so that not every text could be "
                    + "encoded. Check that the file is complete.");
        ranked.Sort((a, b) => a.Rank.CompareTo(b.Rank));
        var merges = new List<(string, string)>();
        var ranks = new List<int>();
        foreach (var (rank, token) in ranked)
        {
            var pairs = new List<(int Left, int Right)>();
            for (int cut = 1; cut < token.Length; cut++)
                if (vocabulary.TryGetId(token.AsSpan(0, cut), out int left) && vocabulary.TryGetId(token.AsSpan(cut), out int right))
                    pairs.Add((left, right));

            // The order that transformers writes them in.
            foreach (var (left, right) in pairs.Order())
            {
                merges.Add((vocabulary.TokenOf(left)!, vocabulary.TokenOf(right)!));
                ranks.Add(rank);
            }
        }

        // Words are what the pattern matches; what it does not match is not part of the text to tiktoken.
        var split = new SplitPreTokenizer(encoding.Pattern, isRegex: true, SplitBehavior.Removed, invert: true, RegexDialect.Rust);
        return new TokenizerParts
        {
            PreTokenizer =
                new SequencePreTokenizer([split, new ByteLevelPreTokenizer(AddPrefixSpace: false, UseRegex: false, TrimOffsets: true)]),
            Model = new BpeModel(vocabulary, merges, new BpeModelOptions { IgnoreMerges = true }, ranks),
            Decoder = new ByteLevelDecoder(AddPrefixSpace: false, TrimOffsets: true, UseRegex: true),
            AddedTokens =
                [.. encoding.SpecialTokens.OrderBy(t => t.Value).Select(t => new AddedToken(t.Value, t.Key) { IsSpecial = true })],
        };
    }

    private static (string Token, int Rank) ReadLine(ReadOnlySpan<byte> row, int line)
    {
        int blank = row.IndexOf((byte)' ');
        if (blank <= 0 || blank > MaxTokenBytes
            || !int.TryParse(row[(blank + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int rank) || rank > MaxRank)
            throw Wrong(line, "is not a token in base64, a blank and a rank");
        Span<byte> bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(blank)];
        if (Base64.DecodeFromUtf8(row[..blank], bytes, out int read, out int count) != OperationStatus.Done || read != blank || count == 0)
            throw Wrong(line, "has a token that is not base64");
        var token = new StringBuilder(count);
        foreach (byte value in bytes[..count])
            token.Append(ByteAlphabet.Chars[value]);
        return (token.ToString(), rank);
    }

    private static TokenizerException Wrong(int line, string what) => new($"line {line} {what}. Check that it is a tiktoken rank file.");
}
