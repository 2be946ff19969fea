using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Reads and checks the header of a safetensors file: 8 bytes of length, then one JSON object that names type, shape and byte range of
/// every tensor. Nothing is believed before it is checked: lengths against the file, ranges against each other, shapes against ranges.
/// </summary>
/// <remarks>The format: https://github.com/huggingface/safetensors (README, "Format").</remarks>
internal sealed class SafetensorsHeader
{
    public const int LengthBytes = 8;
    public const long MaxHeaderBytes = 100_000_000;
    private const string MetadataKey = "__metadata__";
    private readonly string _file;
    private bool _hasMetadata;

    private SafetensorsHeader(string file) => _file = file;

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, SafetensorsEntry> ByName { get; } = new(StringComparer.Ordinal);

    /// <summary>The tensors in the order of their data.</summary>
    public SafetensorsEntry[] Entries { get; private set; } = [];

    /// <summary>Where in the file the data starts.</summary>
    public long DataStart { get; private set; }

    public static SafetensorsHeader Read(string file, Microsoft.Win32.SafeHandles.SafeFileHandle handle)
        => Read(file, RandomAccess.GetLength(handle), (destination, offset) => ReadExactly(file, handle, destination, offset));

    /// <summary>Reads from anything that has a known length and random access.</summary>
    public static SafetensorsHeader Read(string file, long fileLength, Action<Span<byte>, long> readAt)
    {
        if (fileLength < LengthBytes)
            throw new SafetensorsException(file, fileLength,
                "the file ends inside the 8 bytes of the header's length; it is cut off or no safetensors file.");
        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        readAt(lengthBytes, 0);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (headerLength > MaxHeaderBytes)
            throw new SafetensorsException(file, 0, $"a header of {headerLength} bytes is announced, {MaxHeaderBytes} are the most a "
                + "safetensors file may have; this is no safetensors file.");
        if (headerLength > (ulong)(fileLength - LengthBytes))
            throw new SafetensorsException(file, 0, $"a header of {headerLength} bytes is announced, but only "
                + $"{fileLength - LengthBytes} bytes follow; the file is cut off or no safetensors file.");
        if (headerLength < 2)
            throw new SafetensorsException(file, 0, $"a header of {headerLength} bytes is announced; the shortest possible one has 2.");

        var json = new byte[(int)headerLength];
        readAt(json, LengthBytes);
        var header = new SafetensorsHeader(file) { DataStart = LengthBytes + (long)headerLength };
        header.Parse(json);
        header.CheckRanges(fileLength - header.DataStart);
        return header;
    }

    public static void ReadExactly(string file, Microsoft.Win32.SafeHandles.SafeFileHandle handle, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(handle, destination, offset);
            if (read == 0)
                throw new SafetensorsException(file, offset, $"the file ends {destination.Length} bytes too early.");
            destination = destination[read..];
            offset += read;
        }
    }

    private void Parse(byte[] json)
    {
        if (json[0] != (byte)'{')
            throw Broken(0, "the header does not begin with '{'.");
        if (!Utf8.IsValid(json))
            throw Broken(0, "the header is not valid UTF-8.");
        var reader =
            new Utf8JsonReader(json, new JsonReaderOptions { AllowTrailingCommas = false, CommentHandling = JsonCommentHandling.Disallow });
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                long at = reader.TokenStartIndex;
                string name = reader.GetString()!;
                if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                    throw Broken(reader.TokenStartIndex, $"the entry of '{Shorten(name)}' is no object.");
                if (name == MetadataKey)
                    ReadMetadata(ref reader, at);
                else if (!ByName.TryAdd(name, ReadEntry(ref reader, name)))
                    throw Broken(at, $"tensor '{Shorten(name)}' is named twice.");
            }

            // One more read finds text after the object; spaces (padding) are not tokens.
            if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
                throw Broken(reader.TokenStartIndex, "the header is not one JSON object.");
        }
        catch (JsonException exception)
        {
            throw new SafetensorsException(_file, LengthBytes + reader.TokenStartIndex,
                $"the header is not valid JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new SafetensorsException(_file, LengthBytes + reader.TokenStartIndex,
                "a text of the header holds half of a surrogate pair.", exception);
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader, long at)
    {
        if (_hasMetadata)
            throw Broken(at, $"'{MetadataKey}' is given twice.");
        _hasMetadata = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            if (!reader.Read() || reader.TokenType != JsonTokenType.String)
                throw Broken(reader.TokenStartIndex, $"the metadata value of '{Shorten(key)}' is no text.");
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw Broken(reader.TokenStartIndex, $"the metadata key '{Shorten(key)}' is given twice.");
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? typeName = null;
        long[]? shape = null, offsets = null;
        long start = reader.TokenStartIndex;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            long at = reader.TokenStartIndex;
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when typeName is null && reader.TokenType == JsonTokenType.String:
                    typeName = reader.GetString();
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, name, key);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, name, key);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Broken(at, $"'{key}' of tensor '{Shorten(name)}' is given twice or is of the wrong kind.");
                default:
                    reader.Skip();
                    break;
            }
        }

        if (typeName is null || shape is null || offsets is null)
            throw Broken(start,
                $"tensor '{Shorten(name)}' lacks '{(typeName is null ? "dtype" : shape is null ? "shape" : "data_offsets")}'.");
        if (!StoredTypes.TryParse(typeName, out var type))
            throw Broken(start, $"tensor '{Shorten(name)}' has the unknown dtype '{Shorten(typeName)}'.");
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw Broken(start, $"the data_offsets of tensor '{Shorten(name)}' are not two rising numbers.");
        long bytes;
        try
        {
            bytes = type.Size();
            foreach (long dimension in shape)
                bytes = checked(bytes * dimension);
        }
        catch (OverflowException)
        {
            throw Broken(start, $"the shape of tensor '{Shorten(name)}' is larger than any file.");
        }

        if (bytes != offsets[1] - offsets[0])
            throw Broken(start,
                $"shape and dtype of tensor '{Shorten(name)}' ask for {bytes} bytes, its data_offsets span {offsets[1] - offsets[0]}.");
        return new SafetensorsEntry(name, type, shape, offsets[0], offsets[1]);
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Broken(reader.TokenStartIndex, $"'{key}' of tensor '{Shorten(name)}' is no array.");
        var numbers = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong number) || number > long.MaxValue)
                throw Broken(reader.TokenStartIndex,
                    $"'{key}' of tensor '{Shorten(name)}' holds something else than whole numbers from 0 to 2^63-1.");
            numbers.Add((long)number);
        }

        return [.. numbers];
    }

    private void CheckRanges(long dataLength)
    {
        Entries = [.. ByName.Values];
        Array.Sort(Entries,
            static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin)
                : a.End != b.End ? a.End.CompareTo(b.End)
                : string.CompareOrdinal(a.Name, b.Name));
        long position = 0;
        foreach (var entry in Entries)
        {
            if (entry.Begin < position)
                throw new SafetensorsException(_file, DataStart + entry.Begin,
                    $"tensor '{Shorten(entry.Name)}' shares bytes with another tensor.");
            if (entry.Begin > position)
                throw new SafetensorsException(_file, DataStart + position,
                    $"{entry.Begin - position} bytes before tensor '{Shorten(entry.Name)}' belong to no tensor.");
            if (entry.End > dataLength)
                throw new SafetensorsException(_file, DataStart + dataLength,
                    $"the file ends before the data of tensor '{Shorten(entry.Name)}' does; it is cut off.");
            position = entry.End;
        }

        if (position != dataLength)
            throw new SafetensorsException(_file, DataStart + position,
                $"{dataLength - position} bytes after the last tensor belong to nothing.");
    }

    private SafetensorsException Broken(long headerOffset, string problem) => new(_file, LengthBytes + headerOffset, problem);

    private static string Shorten(string name)
        => name.Length <= 120 ? name : string.Create(CultureInfo.InvariantCulture, $"{name.AsSpan(0, 120)}…");
}

/// <summary>One tensor of a safetensors file.</summary>
internal sealed class SafetensorsEntry
{
    private readonly long[] _shape;

    internal SafetensorsEntry(string name, StoredType type, long[] shape, long begin, long end)
    {
        Name = name;
        Type = type;
        _shape = shape;
        Begin = begin;
        End = end;
    }

    /// <summary>The name of the tensor.</summary>
    public string Name { get; }

    /// <summary>How its elements are stored.</summary>
    public StoredType Type { get; }

    /// <summary>The type as the file spells it, for example <c>BF16</c>.</summary>
    public string TypeName => Type.Name();

    /// <summary>The stored bytes.</summary>
    public long Bytes => End - Begin;

    /// <summary>The dimensions, outermost first; none for a scalar.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>The number of elements.</summary>
    public long Count => (End - Begin) / Type.Size();

    /// <summary>The shape as text, for example <c>[4, 8]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", _shape)}]";

    /// <summary>The first byte, counted from the start of the file's data.</summary>
    internal long Begin { get; }

    /// <summary>The byte after the last, counted from the start of the file's data.</summary>
    internal long End { get; }
}

/// <summary>A safetensors file that is broken, or that does not hold what was asked of it.</summary>
public sealed class SafetensorsException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The byte of the file where the problem lies, or null where it has no particular place.</param>
    /// <param name="problem">What is wrong.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public SafetensorsException(string file, long? offset, string problem, Exception? innerException = null)
        : base(offset is null ? $"{file}: {problem}" : FormattableString.Invariant($"{file}, byte {offset}: {problem}"), innerException)
    {
        File = file;
        Offset = offset;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The byte of the file where the problem lies, or null where it has no particular place.</summary>
    public long? Offset { get; }
}
