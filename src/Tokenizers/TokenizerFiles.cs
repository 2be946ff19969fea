using System.Text.Json;
using Kotonoha.Foundation.Gguf;

namespace Kotonoha.Tokenizers;

/// <summary>Recognises tokenizer files by their content and reads them.</summary>
internal static class TokenizerFiles
{
    public const string JsonName = "tokenizer.json";
    private const string EncodingName = "encoding.json";

    /// <summary>Reads a file of any kind.</summary>
    public static Tokenizer Read(string file)
    {
        if (IsGguf(file))
            return Tokenizer.FromGguf(GgufMetadata.Read(file));

        var content = File.ReadAllBytes(file);
        ReadOnlySpan<byte> start = content.AsSpan().TrimStart(" \t\r\n\uFEFF"u8);
        if (start.IsEmpty || start[0] == '{')
            return Tokenizer.Parse(content, file);
        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        if (IsRankFile(start))
            return Tokenizer.ParseTiktoken(content, EncodingOf(file, folder), file);
        return new Tokenizer(ReadSentencePiece(content, folder, file));
    }

    private static bool IsGguf(string file)
    {
        using var stream = File.OpenRead(file);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8);
    }

    /// <summary>What belongs to a rank file: the description beside it, or that of the published file of the same name.</summary>
    private static TiktokenEncoding EncodingOf(string file, string folder)
    {
        var description = Path.Combine(folder, EncodingName);
        return File.Exists(description) ? TiktokenEncoding.Load(description) : Path.GetFileName(file) switch
        {
            "r50k_base.tiktoken" => TiktokenEncoding.R50kBase,
            "cl100k_base.tiktoken" => TiktokenEncoding.Cl100kBase,
            "o200k_base.tiktoken" => TiktokenEncoding.O200kBase,
            _ => throw new TokenizerException(
                $"'{file}' holds tiktoken's ranks only. Put an {EncodingName} with pat_str and special_tokens beside it."),
        };
    }

    /// <summary>Whether the first line is base64, a blank and a number.</summary>
    private static bool IsRankFile(ReadOnlySpan<byte> content)
    {
        int end = content.IndexOf((byte)'\n');
        var line = (end < 0 ? content : content[..end]).TrimEnd((byte)'\r');
        int blank = line.IndexOf((byte)' ');
        return blank > 0 && blank < line.Length - 1 && !line[(blank + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && System.Buffers.Text.Base64.IsValid(line[..blank]);
    }

    /// <summary>A SentencePiece model with what the tokenizer_config.json beside it says; without one nothing is added to texts.</summary>
    private static TokenizerParts ReadSentencePiece(byte[] content, string folder, string file)
    {
        try
        {
            var spec = SentencePieceFile.Read(content);
            var config = Path.Combine(folder, TokenizerSettings.FileName);
            if (!File.Exists(config))
                return SentencePieceTokenizer.Build(spec, addBegin: false, addEnd: false);
            using var document = JsonDocument.Parse(File.ReadAllBytes(config));
            var root = new JsonPlace(document.RootElement, "");

            // transformers' Llama tokenizer begins texts unless it is told not to.
            var parts =
                SentencePieceTokenizer.Build(spec, root["add_bos_token"].AsBool(missing: true),
                    root["add_eos_token"].AsBool(missing: false));
            if (root["added_tokens_decoder"].IsNull)
                return parts;
            var added = parts.AddedTokens.ToDictionary(t => t.Id);
            foreach (var (name, place) in root["added_tokens_decoder"].Members())
                if (int.TryParse(name, System.Globalization.CultureInfo.InvariantCulture, out int id) && !added.ContainsKey(id))
                    added[id] = new AddedToken(id, place["content"].AsString())
                    {
                        IsSpecial = place["special"].AsBool(missing: false),
                        SingleWord = place["single_word"].AsBool(missing: false),
                        StripLeft = place["lstrip"].AsBool(missing: false),
                        StripRight = place["rstrip"].AsBool(missing: false),
                        Normalized = place["normalized"].AsBool(missing: false),
                    };
            return parts with { AddedTokens = [.. added.Values.OrderBy(t => t.Id)] };
        }
        catch (JsonException exception)
        {
            throw new TokenizerException(
                $"{Path.Combine(folder, TokenizerSettings.FileName)} is not valid JSON: {exception.Message} Check the file.", exception);
        }
        catch (TokenizerException exception)
        {
            throw new TokenizerException($"{file}: {exception.Message}", exception.UnsupportedComponent, exception);
        }
    }
}
