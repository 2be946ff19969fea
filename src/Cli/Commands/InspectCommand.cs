using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha inspect</c>: what the files of a model say about it.</summary>
internal static class InspectCommand
{
    private const int WidestValue = 100;

    public static Command Create()
    {
        var model =
            new Argument<string>(
                "MODEL")
            { Description = "A model's folder, a GGUF or safetensors file, or OWNER/NAME of a pulled model." };
        var json =
            new Option<bool>(
                "--json")
            { Description = "Print one JSON object: format, architecture, parameters, tokenizer, metadata, tensors." };
        var command =
            new Command("inspect",
                "Say what a model's files hold: architecture, size, tokenizer, metadata, tensors. Reads no weights.") { model, json };
        command.SetAction(parsed =>
        {
            var summary = ModelSummary.Read(parsed.GetRequiredValue(model));
            if (parsed.GetValue(json))
                Console.Out.WriteLine(JsonLines.Line(writer => Write(writer, summary)));
            else
                Print(summary, Console.Out);
        });
        return command;
    }

    private static void Print(ModelSummary summary, TextWriter output)
    {
        void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
        Line($"path          {summary.Path}");
        Line($"format        {summary.Format}");
        Line($"architecture  {summary.Architecture ?? "(not said)"}");
        Line($"parameters    {summary.Parameters:N0} in {summary.Tensors.Count:N0} tensors, {summary.Bytes / (double)(1 << 20):N1} MiB");
        foreach (var group in summary.Tensors.GroupBy(t => t.Type).OrderByDescending(g => g.Sum(t => t.Bytes)))
            Line($"  {group.Key,-10} {group.Count(),6:N0} tensors {group.Sum(t => t.Bytes) / (double)(1 << 20),10:N1} MiB");
        Line($"tokenizer     {summary.Tokenizer ?? "none"}");
        Line($"chat template {(summary.HasChatTemplate ? "yes" : "no")}");
        output.WriteLine();
        foreach (var (name, value) in summary.Metadata)
            Line($"{name} = {(value.Length > WidestValue ? value[..WidestValue] + "…" : value)}");
        output.WriteLine();
        foreach (var tensor in summary.Tensors)
            Line($"{tensor.Type,-10} [{string.Join(", ", tensor.Shape)}] {tensor.Name}");
    }

    private static void Write(Utf8JsonWriter json, ModelSummary summary)
    {
        json.WriteString("path", summary.Path);
        json.WriteString("format", summary.Format);
        json.WriteString("architecture", summary.Architecture);
        json.WriteNumber("parameters", summary.Parameters);
        json.WriteNumber("bytes", summary.Bytes);
        json.WriteString("tokenizer", summary.Tokenizer);
        json.WriteBoolean("chat_template", summary.HasChatTemplate);
        json.WriteStartObject("metadata");
        foreach (var (name, value) in summary.Metadata)
        {
            json.WritePropertyName(name);
            json.WriteRawValue(value);
        }

        json.WriteEndObject();
        json.WriteStartArray("tensors");
        foreach (var tensor in summary.Tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("type", tensor.Type);
            json.WriteStartArray("shape");
            foreach (long dimension in tensor.Shape)
                json.WriteNumberValue(dimension);
            json.WriteEndArray();
            json.WriteNumber("bytes", tensor.Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
