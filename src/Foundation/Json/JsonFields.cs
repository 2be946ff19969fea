using System.Text.Json;
using System.Text.Unicode;

namespace Kotonoha.Foundation.Json;

/// <summary>
/// The fields of a JSON file of a checkpoint. What is missing or of the wrong kind is an error that names file and field.
/// </summary>
internal sealed class JsonFields : IDisposable
{
    private const long MaxBytes = 64 << 20;
    private readonly string _file;
    private readonly JsonDocument? _document;

    private JsonFields(string file, JsonElement root, JsonDocument? document = null)
    {
        _file = file;
        _document = document;
        Root = root;
    }

    public static JsonFields Open(string file)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(file) is { Exists: true, Length: > MaxBytes } info)
                throw new CheckpointException(file, $"the file has {info.Length} bytes; {MaxBytes} are the most that is read of such a "
                    + $"file. It is no {Path.GetFileName(file)}.");
            bytes = System.IO.File.ReadAllBytes(file);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(file, "the file is missing. Give the folder of a saved model.", exception);
        }

        // A byte order mark is not JSON, but editors leave it.
        ReadOnlyMemory<byte> json = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
        JsonDocument document;
        try
        {
            RequireWellFormed(file, json.Span);
            document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException exception)
        {
            throw new CheckpointException(file, $"line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}: this is not "
                + $"valid JSON. Restore the file. ({exception.Message})", exception);
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            throw new CheckpointException(file, "a JSON object is expected. Restore the file.");
        }

        return new JsonFields(file, document.RootElement, document);
    }

    public string File => _file;

    public JsonElement Root { get; }

    public int RequiredInt32(string name, int minimum)
        => Int32(name, minimum) ?? throw Wrong(name, "is missing");

    public int? Int32(string name, int minimum, int maximum = int.MaxValue)
    {
        if (Value(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out int number) || number < minimum || number > maximum)
            throw Wrong(name, $"should be a whole number from {minimum} to {maximum}, not {value.GetRawText()}");
        return number;
    }

    public long? Int64(string name)
    {
        if (Value(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number))
            throw Wrong(name, $"should be a whole number, not {value.GetRawText()}");
        return number;
    }

    public ulong? UInt64(string name)
    {
        if (Value(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetUInt64(out ulong number))
            throw Wrong(name, $"should be a whole number from 0, not {value.GetRawText()}");
        return number;
    }

    /// <summary>A number, or an array of numbers: end tokens are written both ways.</summary>
    public IReadOnlyList<int> Int32OrList(string name)
    {
        if (Value(name) is not { } value)
            return [];
        var items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value];
        var numbers = new int[items.Length];
        for (int i = 0; i < items.Length; i++)
            if (items[i].ValueKind != JsonValueKind.Number || !items[i].TryGetInt32(out numbers[i]) || numbers[i] < 0)
                throw Wrong(name, $"should be a token id or a list of them, not {value.GetRawText()}");
        return numbers;
    }

    public double? Number(string name)
    {
        if (Value(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
            throw Wrong(name, $"should be a number, not {value.GetRawText()}");
        return number;
    }

    /// <summary>A list of numbers; empty where it is missing.</summary>
    public IReadOnlyList<double> Numbers(string name)
    {
        if (Value(name) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, $"should be a list of numbers, not {value.ValueKind}");
        return [.. value.EnumerateArray()
            .Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : throw Wrong(name, $"should be a list of numbers, not of {item.GetRawText()}"))];
    }

    /// <summary>The fields of an object; they live as long as these.</summary>
    public JsonFields? Object(string name)
        => Value(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Object ? new JsonFields(_file, value)
            : throw Wrong(name, $"should be an object, not {value.ValueKind}");

    /// <summary>The members of an object whose values are texts; empty where it is missing.</summary>
    public IReadOnlyList<(string Name, string Text)> Texts(string name)
    {
        if (Value(name) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, $"should be an object, not {value.ValueKind}");
        return [.. value.EnumerateObject().Select(member => member.Value.ValueKind == JsonValueKind.String
            ? (member.Name, member.Value.GetString()!)
            : throw Wrong(name, $"should hold texts, not {member.Value.GetRawText()}"))];
    }

    /// <summary>The texts of a list; empty where it is missing; what is not a text is passed over.</summary>
    public IReadOnlyList<string> TextList(string name)
        => Value(name) is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)]
            : [];

    public bool? Boolean(string name)
        => Value(name) is not { } value ? null : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(name, $"should be true or false, not {value.GetRawText()}"),
        };

    public string? Text(string name)
    {
        if (Value(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : throw Wrong(name, $"should be a text, not {value.GetRawText()}");
    }

    /// <summary>A special token: its text, or an object whose <c>content</c> is the text.</summary>
    public string? Token(string name)
    {
        if (Value(name) is { ValueKind: JsonValueKind.Object } value)
            return value.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String
                ? content.GetString()!
                : throw Wrong(name, "should be a token's text, or an object with it as 'content'");
        return Text(name);
    }

    /// <summary>The value of a field, or null where it is missing or null.</summary>
    public JsonElement? Value(string name)
        => Root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public CheckpointException Wrong(string name, string problem) => new(_file, $"the field '{name}' {problem}. Restore the file.");

    public void Dispose() => _document?.Dispose();

    // Once for the whole file, so that no name and no text of it can fail to be read later.
    private static void RequireWellFormed(string file, ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            throw new CheckpointException(file, "the file is not valid UTF-8. Restore the file.");
        if (json.IndexOf("\\ud"u8) < 0 && json.IndexOf("\\uD"u8) < 0)
            return;
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
            if (reader.ValueIsEscaped)
                try
                {
                    _ = reader.GetString();
                }
                catch (InvalidOperationException exception)
                {
                    throw new CheckpointException(file,
                        $"byte {reader.TokenStartIndex + 1}: a name or text holds half of a surrogate pair. Restore the file.", exception);
                }
    }
}
