using System.Text;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Files of rows that hold one component of a tokenizer (<c>kind</c>, <c>config</c>) and its <c>cases</c>.</summary>
internal sealed class ComponentRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row
                && row.Text("kind") is "pre_tokenizer" or "normalizer" or "decoder" && row.TryGetProperty("config", out _)
                && row.TryGetProperty("cases", out _))
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        int number = 0;
        foreach (var row in FixtureJson.Rows(Path.Combine(root, family)))
        {
            number++;
            var kind = row.GetProperty("kind").GetString()!;
            var cases = row.GetProperty("cases").EnumerateArray().ToArray();
            var place = new JsonPlace(Config(row.GetProperty("config"), Path.GetDirectoryName(Path.Combine(root, family))!), kind);
            Func<JsonElement, string?> check;
            try
            {
                check = kind switch
                {
                    "normalizer" => Normalizer(place),
                    "pre_tokenizer" => PreTokenizer(place),
                    "decoder" => Decoder(place),
                    _ => throw TokenizerException.Unsupported(kind),
                };
            }
            catch (TokenizerException exception)
            {
                foreach (var _ in cases)
                    log.Skip($"row {number}",
                        exception.UnsupportedComponent is { } component ? $"{component} is not supported" : exception.Message);
                continue;
            }

            for (int i = 0; i < cases.Length; i++)
            {
                var one = cases[i];
                log.Case($"row {number} ({place["type"].AsString()}) case {i + 1}",
                    () => check(one) is { } difference && !one.TryGetProperty("library_error", out _) ? difference : null);
            }
        }
    }

    /// <summary>
    /// Puts the table that a configuration points at (a SentencePiece model and a member of it) in the place of the pointer.
    /// </summary>
    private static JsonElement Config(JsonElement config, string folder)
    {
        if (config.Text("precompiled_charsmap_from") is not { } source)
            return config;
        var model = File.ReadAllBytes(Path.Combine(folder, source.Split(' ')[0]));

        // ModelProto.normalizer_spec is field 3, NormalizerSpec.precompiled_charsmap field 2.
        var table = ProtobufField(ProtobufField(model, 3), 2).ToArray();
        return JsonSerializer.SerializeToElement(new { type = config.Text("type"), precompiled_charsmap = Convert.ToBase64String(table) });
    }

    private static ReadOnlySpan<byte> ProtobufField(ReadOnlySpan<byte> message, int wanted)
    {
        while (!message.IsEmpty)
        {
            ulong tag = Varint(ref message);
            if ((tag & 7) == 0)
            {
                _ = Varint(ref message);
                continue;
            }

            int length = (tag & 7) switch { 1 => 8, 5 => 4, _ => (int)Varint(ref message) };
            if (tag >> 3 == (ulong)wanted)
                return message[..length];
            message = message[length..];
        }

        return [];
    }

    private static ulong Varint(ref ReadOnlySpan<byte> message)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = message[0];
            message = message[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }
    }

    private static Func<JsonElement, string?> Normalizer(JsonPlace place)
    {
        var normalizer = TokenizerReader.ReadNormalizer(place)!;
        return row =>
        {
            var buffer = new PieceBuffer();
            foreach (bool track in (bool[])[false, true])
            {
                buffer.Load(row.Text("text"), 0, track);
                normalizer.Normalize(buffer);
                if (FixtureJson.Differ("normalized", buffer.Text.ToString(), row.Text("normalized") ?? "") is { } difference)
                    return difference;
            }

            return null;
        };
    }

    private static Func<JsonElement, string?> PreTokenizer(JsonPlace place)
    {
        var preTokenizer = TokenizerReader.ReadPreTokenizer(place)!;
        return row =>
        {
            var buffer = new PieceBuffer();
            buffer.Load(row.Text("text"), 0, trackOffsets: true);
            preTokenizer.PreTokenize(buffer);
            var pieces = Enumerable.Range(0, buffer.PieceCount).ToArray();
            return FixtureJson.Differ("pieces", [.. pieces.Select(p => buffer.Piece(p).ToString())], row.Strings("pieces"))
                ?? FixtureJson.Differ(
                    "offsets",
                    [.. pieces.Select(p => buffer.Origin(buffer.Bounds(p).Start, buffer.Bounds(p).End))
                        .SelectMany(o => (int[])[o.Start, o.End])],
                    row.Ints(row.TryGetProperty("offsets_utf16", out _) ? "offsets_utf16" : "offsets"));
        };
    }

    private static Func<JsonElement, string?> Decoder(JsonPlace place)
    {
        var decoder = TokenizerReader.ReadDecoder(place)!;
        return row =>
        {
            var output = new StringBuilder();
            var stream = decoder.Start(new TextStream(output), incremental: false);
            foreach (var token in row.Strings("tokens"))
                stream.Push(token, endsToken: true);
            stream.Finish();
            return FixtureJson.Differ("decoded", output.ToString(), row.Text("decoded") ?? "");
        };
    }
}
