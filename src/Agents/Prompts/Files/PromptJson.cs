using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Writes what a prompt renders and what a run does as JSON.</summary>
internal static class PromptJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Line(Action<Utf8JsonWriter> members)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Options))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length);
    }

    public static void WriteMessages(Utf8JsonWriter json, IEnumerable<ChatMessage> messages)
    {
        json.WriteStartArray("messages");
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString("role", message.Role.Value);
            json.WriteString("content", message.Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteUsage(Utf8JsonWriter json, UsageDetails usage)
    {
        json.WriteStartObject("usage");
        if (usage.InputTokenCount is { } input)
            json.WriteNumber("input_tokens", input);
        if (usage.OutputTokenCount is { } output)
            json.WriteNumber("output_tokens", output);
        if (usage.CachedInputTokenCount is { } cached)
            json.WriteNumber("cached_input_tokens", cached);
        json.WriteEndObject();
    }

    public static void WriteOptions(Utf8JsonWriter json, ChatOptions options)
    {
        json.WriteStartObject("options");
        Number("temperature", options.Temperature);
        Number("top_p", options.TopP);
        Number("top_k", options.TopK);
        Number("max_output_tokens", options.MaxOutputTokens);
        Number("seed", options.Seed);
        Number("frequency_penalty", options.FrequencyPenalty);
        Number("presence_penalty", options.PresencePenalty);
        if (options.Instructions is { } instructions)
            json.WriteString("instructions", instructions);
        if (options.StopSequences is { Count: > 0 } stops)
        {
            json.WriteStartArray("stop_sequences");
            foreach (var stop in stops)
                json.WriteStringValue(stop);
            json.WriteEndArray();
        }

        switch (options.ResponseFormat)
        {
            case ChatResponseFormatJson { Schema: { } schema }:
                json.WritePropertyName("response_format");
                schema.WriteTo(json);
                break;
            case ChatResponseFormatJson:
                json.WriteString("response_format", "json_object");
                break;
        }

        if (options.Tools is { Count: > 0 } tools)
        {
            json.WriteStartArray("tools");
            foreach (var tool in tools)
                json.WriteStringValue(tool.Name);
            json.WriteEndArray();
        }

        if (options.AdditionalProperties is { Count: > 0 } others)
            foreach (var (name, value) in others.OrderBy(other => other.Key, StringComparer.Ordinal))
            {
                json.WritePropertyName(name);
                JsonSerializer.Serialize(json, value);
            }

        json.WriteEndObject();

        void Number(string name, double? value)
        {
            if (value is { } number)
                json.WriteNumber(name, Math.Round(number, 6));
        }
    }
}
