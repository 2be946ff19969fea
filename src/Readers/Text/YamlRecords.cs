using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Kotonoha.Readers;

/// <summary>Reads YAML as the JSON that says the same.</summary>
/// <remarks>Event by event, so that neither depth nor aliases can blow it up: an alias of a scalar is its value, any other stays a
/// name.</remarks>
internal static class YamlRecords
{
    /// <summary>The document of a YAML text; null where it is not valid YAML, more than one document, or nested too deeply.</summary>
    internal static JsonDocument? Parse(string yaml)
    {
        var buffer = new MemoryStream();
        var options = new JsonWriterOptions { MaxDepth = DocumentLimits.MaxNestingDepth, SkipValidation = true };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            try
            {
                if (!Write(new Parser(new StringReader(yaml)), json))
                    return null;
            }
            catch (Exception error) when (error is YamlException or InvalidOperationException)
            {
                return null;
            }
        }

        try
        {
            return JsonDocument.Parse(buffer.ToArray(), new JsonDocumentOptions { MaxDepth = DocumentLimits.MaxNestingDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <returns>Whether there was a document.</returns>
    private static bool Write(Parser parser, Utf8JsonWriter json)
    {
        var scalars = new Dictionary<AnchorName, Scalar>();
        var open = new Stack<bool>(); // of each collection: whether it is a mapping
        bool isKey = false, any = false;
        while (parser.MoveNext())
        {
            switch (parser.Current)
            {
                case DocumentStart when any:
                    return false;
                case MappingStart or SequenceStart when isKey || open.Count >= DocumentLimits.MaxNestingDepth:
                    return false; // a collection as a key
                case MappingStart:
                    json.WriteStartObject();
                    open.Push(true);
                    isKey = any = true;
                    break;
                case SequenceStart:
                    json.WriteStartArray();
                    open.Push(false);
                    (isKey, any) = (false, true);
                    break;
                case MappingEnd:
                    json.WriteEndObject();
                    open.Pop();
                    isKey = open.TryPeek(out bool outer) && outer;
                    break;
                case SequenceEnd:
                    json.WriteEndArray();
                    open.Pop();
                    isKey = open.TryPeek(out bool around) && around;
                    break;
                case Scalar scalar:
                    if (!scalar.Anchor.IsEmpty)
                        scalars[scalar.Anchor] = scalar;
                    WriteScalar(scalar.Value, IsNull(scalar));
                    break;
                case AnchorAlias alias:
                    var named = scalars.GetValueOrDefault(alias.Value);
                    WriteScalar(named?.Value ?? "*" + alias.Value.Value, named is not null && IsNull(named));
                    break;
            }
        }

        return any;

        static bool IsNull(Scalar scalar)
            => scalar.Style == ScalarStyle.Plain && scalar.Tag.IsEmpty && scalar.Value is "" or "~" or "null" or "Null" or "NULL";

        void WriteScalar(string value, bool isNull)
        {
            any = true;
            bool inMapping = open.TryPeek(out bool mapping) && mapping;
            if (inMapping && isKey)
                json.WritePropertyName(value);
            else if (isNull)
                json.WriteNullValue();
            else
                json.WriteStringValue(value);
            isKey = inMapping && !isKey;
        }
    }
}
