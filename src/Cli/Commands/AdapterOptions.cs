using System.CommandLine;
using Kotonoha.Cli.Models;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of commands that run a language model with an adapter.</summary>
internal sealed class AdapterOptions
{
    public Option<string?> Adapter { get; } =
        new("--adapter")
        {
            Description = "A LoRA or DoRA adapter for the model: a folder in PEFT's layout, or OWNER/NAME of a pulled one.",
            HelpName = "DIR"
        };

    public Option<bool> Merge { get; } =
        new("--merge")
        {
            Description =
            "Add the adapter to the weights, which are raised to float32 for that (default: it stays active beside them)."
        };

    public Option[] All => [Adapter, Merge];

    public AdapterSettings Read(ParseResult parsed)
    {
        var (path, merge) = (parsed.GetValue(Adapter), parsed.GetValue(Merge));
        return path is not null || !merge ? new AdapterSettings(path, merge) : throw new UsageException("--merge goes with --adapter");
    }
}
