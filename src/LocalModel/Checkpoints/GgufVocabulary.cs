using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Writes a tokenizer (the text of its <c>tokenizer.json</c>) into the metadata of a GGUF file, as llama.cpp's converter does.
/// </summary>
/// <remarks>Source: llama.cpp, <c>convert_hf_to_gguf.py</c> and <c>gguf-py/gguf/vocab.py</c>.</remarks>
internal sealed class GgufVocabulary
{
    private const int Normal = 1;
    private const int Unknown = 2;
    private const int Control = 3;
    private const int UserDefined = 4;
    private const int Unused = 5;
    private const int Byte = 6;
    private const char WordStart = '▁';
    private const string Continuation = "##";

    // What a Split pre-tokenizer's pattern is called; where more than one pattern has a name, its commonest spelling.
    private static readonly (string Pattern, string Name)[] Patterns =
    [
        (@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "dbrx"),
        (@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "qwen2"),
        (@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", "gpt-4o"),
    ];

    private readonly GgufWriter _writer;
    private readonly JsonElement _root;
    private readonly JsonElement _model;
    private readonly int _size;
    private readonly string?[] _tokens;
    private readonly int[] _types;
    private readonly List<string> _remarks = [];

    private GgufVocabulary(GgufWriter writer, JsonElement root, int size)
    {
        _writer = writer;
        _root = root;
        _size = size;
        _model = root.GetProperty("model");
        _tokens = new string?[size];
        _types = new int[size];
    }

    /// <summary>Writes the vocabulary of a model with <paramref name="size"/> token ids.</summary>
    /// <returns>What the file cannot say, one sentence each.</returns>
    /// <exception cref="UnsupportedModelException">GGUF has no name for this kind of tokenizer.</exception>
    public static IReadOnlyList<string> Write(GgufWriter writer, CheckpointParts parts, int size)
    {
        if (parts.TokenizerJson is null)
        {
            writer.Set("tokenizer.ggml.model", "none");
            return [];
        }

        using var json = JsonDocument.Parse(parts.TokenizerJson);
        var tokenizer = Tokenizer.Parse(Encoding.UTF8.GetBytes(parts.TokenizerJson));
        var vocabulary = new GgufVocabulary(writer, json.RootElement, size);
        vocabulary.Write(parts, tokenizer);
        return vocabulary._remarks;
    }

    private void Write(CheckpointParts parts, Tokenizer tokenizer)
    {
        var kind = _model.GetProperty("type").GetString();
        bool bytes = kind == "BPE" && _model.TryGetProperty("byte_fallback", out var fallback) && fallback.ValueKind == JsonValueKind.True;
        if (kind is not ("BPE" or "WordPiece"))
            throw new UnsupportedModelException(
                $"A tokenizer of the kind {kind} cannot be written into a GGUF file; BPE and WordPiece can.");
        foreach (var token in _model.GetProperty("vocab").EnumerateObject())
            Put(token.Value.GetInt32(), token.Name, Normal);
        Normalizer(kind, bytes);
        if (kind == "WordPiece")
            WordPiece();
        foreach (var token in _root.GetProperty("added_tokens").EnumerateArray())
            Put(token.GetProperty("id").GetInt32(), token.GetProperty("content").GetString()!,
                token.GetProperty("special").GetBoolean() ? Control : UserDefined);
        if (bytes)
            Sentences();
        for (int id = 0; id < _size; id++)
            if (_tokens[id] is null)
                Put(id, $"[PAD{id}]", Unused);

        _writer.Set("tokenizer.ggml.model", kind == "WordPiece" ? "bert" : bytes ? "llama" : "gpt2");
        _writer.Set("tokenizer.ggml.pre", kind == "WordPiece" || bytes ? "default" : PatternName());
        _writer.Set("tokenizer.ggml.tokens", _tokens!);
        if (bytes)
            _writer.Set("tokenizer.ggml.scores", Scores());
        _writer.Set("tokenizer.ggml.token_type", _types);
        if (kind == "BPE" && !bytes)
            _writer.Set("tokenizer.ggml.merges", Merges().Select(merge => $"{merge.Left} {merge.Right}").ToArray());
        Special(parts, tokenizer, kind == "WordPiece");
    }

    // A file names no normalizer: what readers do goes by the kind of vocabulary.
    private void Normalizer(string kind, bool bytes)
    {
        var steps = Steps("normalizer", "normalizers");
        if (kind == "WordPiece")
        {
            bool cased = _tokens.Any(t => t is not null && !(t.StartsWith('[') && t.EndsWith(']')) && t.Any(char.IsAsciiLetterUpper));
            if (steps is not [var bert] || TypeOf(bert) != "BertNormalizer" || !Flag(bert, "clean_text", true)
                || !Flag(bert, "handle_chinese_chars", true)
                || Flag(bert, "lowercase", true) == cased || Flag(bert, "strip_accents", !cased) == cased
                || Steps("pre_tokenizer", "pretokenizers") is not [var cutter] || TypeOf(cutter) != "BertPreTokenizer")
                throw Other(cased
                    ? "a BertNormalizer that keeps capitals and accents, as the vocabulary does, and a BertPreTokenizer"
                    : "a BertNormalizer that makes lower case and strips accents, as the vocabulary without capitals needs, and a "
                        + "BertPreTokenizer");
            if (cased)
                _remarks.Add("The tokenizer keeps capitals, which a GGUF file does not say: readers see it by the capitals of the "
                    + "vocabulary, or make every text lower case.");
        }
        else if (bytes)
        {
            // Blanks become the mark of a word's start, and another may stand before the text.
            var cutters = Steps("pre_tokenizer", "pretokenizers");
            bool metaspace = cutters is [var only] && TypeOf(only) == "Metaspace";
            // no blank is left to cut at
            bool uncut = cutters.Count == 0
                || (cutters is [var split] && TypeOf(split) == "Split" && Text(split.GetProperty("pattern"), "String") == " ");
            bool prepends = metaspace
                ? !cutters[0].TryGetProperty("prepend_scheme", out var scheme)
                ? Flag(cutters[0], "add_prefix_space", true)
                : scheme.GetString() != "never"
                : steps.Count > 0 && TypeOf(steps[0]) == "Prepend" && Text(steps[0], "prepend") == $"{WordStart}";
            var rest = metaspace || !prepends ? steps : steps[1..];
            bool marks = rest is [var replace] && TypeOf(replace) == "Replace" && Text(replace, "content") == $"{WordStart}"
                && Text(replace.GetProperty("pattern"), "String") == " ";
            if (metaspace ? rest.Count > 0 : !(marks && uncut))
                throw Other("the marking of blanks and nothing else");
            if (!prepends)
                _writer.Set("tokenizer.ggml.add_space_prefix", false);
        }
        else if (steps is [var form] && TypeOf(form) == "NFC")
        {
            _remarks.Add("The tokenizer brings texts to the Unicode form NFC first, which a GGUF file does not say: texts in another "
                + "form become other tokens.");
        }
        else if (steps.Count > 0)
        {
            throw Other("no normalizer");
        }

        UnsupportedModelException Other(string known)
            => new($"The tokenizer's normalizer ({Names(steps)}) and pre-tokenizer "
                + $"({Names(Steps("pre_tokenizer", "pretokenizers"))}) cannot be written into a GGUF file; readers expect {known} for "
                + "this kind of vocabulary, and texts would become other tokens.");

        static string Names(List<JsonElement> parts) => parts.Count == 0 ? "none" : string.Join(", ", parts.Select(TypeOf));
    }

    private List<JsonElement> Steps(string part, string inner)
    {
        if (!_root.TryGetProperty(part, out var found) || found.ValueKind != JsonValueKind.Object)
            return [];
        return TypeOf(found) == "Sequence" ? [.. found.GetProperty(inner).EnumerateArray()] : [found];
    }

    private static string? TypeOf(JsonElement step) => Text(step, "type");

    private static string? Text(JsonElement step, string name)
        => step.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool Flag(JsonElement step, string name, bool otherwise)
        => step.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.ValueKind == JsonValueKind.True
            : otherwise;

    private void Put(int id, string token, int type)
    {
        if (id < 0 || id >= _size)
            throw new UnsupportedModelException(
                $"The tokenizer's token '{token}' has the id {id}, but the model knows {_size} ids; they do not belong together.");
        _tokens[id] = token;
        _types[id] = type;
    }

    // Word starts carry the mark, continuations lose theirs.
    private void WordPiece()
    {
        for (int id = 0; id < _size; id++)
            if (_tokens[id] is { } token)
                _tokens[id] = token.StartsWith(Continuation, StringComparison.Ordinal) ? token[Continuation.Length..] : WordStart + token;
    }

    private void Sentences()
    {
        var unknown = _model.TryGetProperty("unk_token", out var name) ? name.GetString() : null;
        for (int id = 0; id < _size; id++)
            if (_tokens[id] is { } token && (token == unknown || _types[id] == Normal))
                _types[id] = token == unknown ? Unknown
                    : token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>' ? Byte
                    : Normal;
    }

    // Pieces are joined by rising score; the rank of the merge that makes a piece is its score.
    private float[] Scores()
    {
        var scores = new float[_size];
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < _size; id++)
            ids.TryAdd(_tokens[id]!, id);
        int rank = 0;
        foreach (var (left, right) in Merges())
        {
            rank++;
            if (ids.TryGetValue(left + right, out int id) && scores[id] == 0)
                scores[id] = -rank;
        }

        return scores;
    }

    private IEnumerable<(string Left, string Right)> Merges()
    {
        foreach (var merge in _model.GetProperty("merges").EnumerateArray())
            if (merge.ValueKind == JsonValueKind.Array)
            {
                yield return (merge[0].GetString()!, merge[1].GetString()!);
            }
            else
            {
                var both = merge.GetString()!;
                int blank = both.IndexOf(' ', 1);
                yield return (both[..blank], both[(blank + 1)..]);
            }
    }

    private string PatternName()
    {
        var steps = Steps("pre_tokenizer", "pretokenizers");
        var kinds = steps.ConvertAll(TypeOf);
        if (kinds.Contains("ByteLevel") && Flag(steps[kinds.IndexOf("ByteLevel")], "add_prefix_space", true))
            throw new UnsupportedModelException("The tokenizer puts a blank before every text (add_prefix_space), which a GGUF file "
                + "cannot say: texts would become other tokens.");
        bool IsByteLevel(int i, bool regex)
            => kinds[i] == "ByteLevel" && (!steps[i].TryGetProperty("use_regex", out var use) || use.GetBoolean()) == regex;
        if (kinds.Count == 1 && IsByteLevel(0, true))
            return "gpt-2";
        if (kinds.Count == 2 && kinds[0] == "Digits" && steps[0].GetProperty("individual_digits").GetBoolean() && IsByteLevel(1, true))
            return "smollm";
        if (kinds.Count == 2 && kinds[0] == "Split" && IsByteLevel(1, false)
            && steps[0].GetProperty("pattern").TryGetProperty("Regex", out var regex))
            foreach (var (pattern, name) in Patterns)
                if (pattern == regex.GetString())
                    return name == "dbrx" && _model.TryGetProperty("ignore_merges", out var ignore)
                        && ignore.ValueKind == JsonValueKind.True ? "llama-bpe" : name;
        if (kinds.Count > 1 && IsByteLevel(kinds.Count - 1, false) && kinds.SkipLast(1).All(kind => kind == "Split")
            && GgufPreTokenizers.NameOf(
                [.. steps.SkipLast(1)
                    .Select(step => step.GetProperty("pattern").TryGetProperty("Regex", out var cut) ? cut.GetString()! : "")])
                    is { } known)
            return known;
        throw new UnsupportedModelException("The tokenizer's pre-tokenizer has no name in GGUF files, which know GPT-2's, cl100k's "
            + "(Llama 3), o200k's, Qwen2's and SmolLM's. Use a tokenizer with one of these.");
    }

    private void Special(CheckpointParts parts, Tokenizer tokenizer, bool wordPiece)
    {
        var settings = parts.TokenizerSettings;
        int? Id(string? token) => token is null ? null : tokenizer.TokenToId(token);
        int? bos = parts.GenerationSettings.BosTokenId ?? Id(settings.BosToken);
        if (wordPiece)
        {
            bos = Id("[CLS]");
            Number("seperator_token_id", Id("[SEP]"));
            Number("mask_token_id", Id("[MASK]"));
        }

        int? eos = Id(settings.EosToken)
            ?? (parts.GenerationSettings.EosTokenIds.Count > 0 ? parts.GenerationSettings.EosTokenIds[0] : null);
        Number("bos_token_id", bos);
        Number("eos_token_id", wordPiece ? null : eos);
        Number("unknown_token_id", Id(settings.UnknownToken) ?? (wordPiece ? Id("[UNK]") : null));
        Number("padding_token_id", parts.GenerationSettings.PadTokenId ?? Id(settings.PadToken) ?? (wordPiece ? Id("[PAD]") : null));
        if (wordPiece)
            return;
        int[] plain = tokenizer.Encode("a", addSpecialTokens: false), dressed = tokenizer.Encode("a", addSpecialTokens: true);
        _writer.Set("tokenizer.ggml.add_bos_token", dressed.Length > plain.Length && dressed[0] == bos);
        _writer.Set("tokenizer.ggml.add_eos_token", dressed.Length > plain.Length && dressed[^1] == eos);
        if (settings.ChatTemplate is { } template)
            _writer.Set("tokenizer.chat_template", template);

        void Number(string key, int? id)
        {
            if (id is { } known)
                _writer.Set("tokenizer.ggml." + key, (uint)known);
        }
    }
}
