using System.Buffers;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// The tokenizer of a model's folder: <c>tokenizer.json</c>, or what older folders have instead: <c>vocab.json</c> with <c>merges.txt</c>
/// (GPT-2's and Qwen's byte-level BPE), a SentencePiece <c>tokenizer.model</c>, or a rank file of tiktoken with its <c>encoding.json</c>.
/// </summary>
internal static class TokenizerFolder
{
    private const string ModelConfigFile = "config.json";
    private const string EndOfText = "<|endoftext|>";
    private const string VocabularyFile = "vocab.json";
    private const string MergesFile = "merges.txt";
    private const string SentencePieceFile = "tokenizer.model";
    private const string AddedTokensFile = "added_tokens.json";
    private const string SpecialTokensFile = "special_tokens_map.json";

    private const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

    /// <summary>Reads the tokenizer; null where the folder has none.</summary>
    /// <exception cref="TokenizerException">It is broken, or of a kind that is not supported.</exception>
    /// <exception cref="CheckpointException">A file beside it is broken.</exception>
    public static Tokenizer? Load(string folder)
    {
        if (File.Exists(Path.Combine(folder, TokenizerFiles.JsonName)))
            return Tokenizer.Load(Path.Combine(folder, TokenizerFiles.JsonName));
        using var config = Optional(folder, TokenizerSettings.FileName);
        if (File.Exists(Path.Combine(folder, VocabularyFile)) && File.Exists(Path.Combine(folder, MergesFile)))
            return ByteLevelBpe(folder, config);
        if (File.Exists(Path.Combine(folder, SentencePieceFile)))
            return Tokenizer.Load(Path.Combine(folder, SentencePieceFile));
        return Directory.EnumerateFiles(folder, "*.tiktoken").Order(StringComparer.Ordinal).FirstOrDefault() is { } ranks
            ? Tokenizer.Load(ranks)
            : null;
    }

    private static JsonFields? Optional(string folder, string name)
        => File.Exists(Path.Combine(folder, name)) ? JsonFields.Open(Path.Combine(folder, name)) : null;

    // Written as the tokenizer.json that transformers makes of such files, and read like one.
    private static Tokenizer ByteLevelBpe(string folder, JsonFields? config)
    {
        var kind = KindOf(folder, config);
        using var vocabulary = JsonFields.Open(Path.Combine(folder, VocabularyFile));
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("added_tokens");
            foreach (var (token, isSpecial) in AddedTokens(folder, config).Concat(OwnSpecialTokens(folder, config, vocabulary))
                .DistinctBy(t => t.Token.Id).OrderBy(t => t.Token.Id))
            {
                writer.WriteStartObject();
                writer.WriteNumber("id", token.Id);
                writer.WriteString("content", token.Text);
                foreach (var flag in (string[])["single_word", "lstrip", "rstrip"])
                    writer.WriteBoolean(flag, false);
                writer.WriteBoolean("normalized", false);
                writer.WriteBoolean("special", isSpecial);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            if (kind == "Qwen2")
                writer.WriteRaw("normalizer", """{"type": "NFC"}""");
            writer.WriteRaw("pre_tokenizer", kind == "Qwen2"
                ? $$"""{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "{{JsonEncodedText.Encode(QwenPattern)}}"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]}"""
                : $$"""{"type": "ByteLevel", "add_prefix_space": {{(config?.Boolean("add_prefix_space") == true ? "true" : "false")}}, "trim_offsets": true, "use_regex": true}""");
            writer.WriteRaw("post_processor",
                """{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}""");
            writer.WriteRaw("decoder", """{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}""");
            writer.WriteStartObject("model");
            writer.WriteString("type", "BPE");
            writer.WritePropertyName("vocab");
            vocabulary.Root.WriteTo(writer);
            writer.WriteStartArray("merges");
            foreach (var line in File.ReadLines(Path.Combine(folder, MergesFile)))
                if (line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
                    writer.WriteStringValue(line);
            writer.WriteEndArray();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Tokenizer.Parse(json.WrittenMemory.ToArray(), Path.Combine(folder, VocabularyFile));
    }

    // The files do not say how words are cut; the class of the tokenizer or the kind of the model does.
    private static string KindOf(string folder, JsonFields? config)
    {
        using var model = Optional(folder, ModelConfigFile);
        var name = config?.Text("tokenizer_class") ?? model?.Text("model_type");
        return name switch
        {
            "GPT2Tokenizer" or "GPT2TokenizerFast" or "gpt2" => "GPT2",
            "Qwen2Tokenizer" or "Qwen2TokenizerFast" or "qwen2" or "qwen3" => "Qwen2",
            _ => throw new TokenizerException($"{folder}: {VocabularyFile} and {MergesFile} of the kind '{name}' are not supported; "
                + "known are GPT2Tokenizer and Qwen2Tokenizer. Save the tokenizer as tokenizer.json with transformers."),
        };
    }

    // Texts and ids beside the vocabulary, with whether they are control tokens.
    private static IEnumerable<((string Text, int Id) Token, bool IsSpecial)> AddedTokens(string folder, JsonFields? config)
    {
        if (config?.Object("added_tokens_decoder") is { } decoder)
            foreach (var entry in decoder.Root.EnumerateObject())
            {
                if (!int.TryParse(entry.Name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture,
                    out int id) || decoder.Object(entry.Name) is not { } token || token.Text("content") is not { } text)
                    throw config.Wrong("added_tokens_decoder", $"has the entry '{entry.Name}', which is no token");
                yield return ((text, id), token.Boolean("special") ?? false);
            }

        using var added = Optional(folder, AddedTokensFile);
        if (added is not null)
            foreach (var entry in added.Root.EnumerateObject())
                yield return ((entry.Name, added.RequiredInt32(entry.Name, 0)), true);
    }

    // Tokens of the vocabulary that play a role, such as GPT-2's <|endoftext|>.
    private static IEnumerable<((string Text, int Id) Token, bool IsSpecial)> OwnSpecialTokens(
        string folder, JsonFields? config, JsonFields vocabulary)
    {
        using var map = Optional(folder, SpecialTokensFile);
        var texts = Roles.SelectMany(role => (string?[])[config?.Token(role), map?.Token(role)]).OfType<string>().Append(EndOfText)
            .Distinct(StringComparer.Ordinal);
        foreach (var text in texts)
            if (vocabulary.Int32(text, 0) is { } id)
                yield return ((text, id), true);
    }

    private static void WriteRaw(this Utf8JsonWriter writer, string name, string json)
    {
        writer.WritePropertyName(name);
        writer.WriteRawValue(json);
    }
}
