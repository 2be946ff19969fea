using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>Reads the objects of a file of data: JSON lines, or one JSON array of them.</summary>
internal static class JsonRecords
{
    private const byte Space = (byte)' ', Bracket = (byte)'[';
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    /// <summary>The objects as text, each with the line on which it begins, from 1. Empty lines are passed over.</summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <exception cref="TrainingException">The file is an array that is not valid JSON; the message names the line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<(string Json, int Line)> Read(string path)
        => IsArray(path) ? Elements(path, File.ReadAllBytes(path)) : Lines(path);

    private static IEnumerable<(string Json, int Line)> Lines(string path)
    {
        int number = 0;
        foreach (var line in File.ReadLines(path, Encoding.UTF8))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
                yield return (line, number);
        }
    }

    private static bool IsArray(string path)
    {
        using var stream = new BufferedStream(File.OpenRead(path));
        for (int read = stream.ReadByte(); read >= 0; read = stream.ReadByte())
            if (read > Space && !ByteOrderMark.Contains((byte)read))
                return read == Bracket;
        return false;
    }

    private static List<(string Json, int Line)> Elements(string path, byte[] bytes)
    {
        var json = bytes.AsSpan();
        if (json.StartsWith(ByteOrderMark))
            json = json[ByteOrderMark.Length..];
        var elements = new List<(string Json, int Line)>();
        var reader = new Utf8JsonReader(json);
        int line = 1, counted = 0;
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                line += json[counted..start].Count((byte)'\n');
                counted = start;
                elements.Add((Encoding.UTF8.GetString(json[start..(int)reader.BytesConsumed]), line));
            }

            reader.Read();
            return elements;
        }
        catch (JsonException exception)
        {
            throw new TrainingException(string.Create(CultureInfo.InvariantCulture, $"{path}, line {(exception.LineNumber ?? 0) + 1}: the "
                + $"file is a JSON array that breaks off or is not valid ({exception.Message})"));
        }
    }
}
