using System.CommandLine;
using System.CommandLine.Parsing;
using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;
using Kotonoha.Server;

namespace Kotonoha.Cli;

/// <summary>The <c>kotonoha</c> command: parses, runs, and turns every error into one clear message and an exit code.</summary>
internal static class CommandLine
{
    private const int Failure = 1, Usage = 2, Interrupted = 130, DiskFull = 28;

    public static async Task<int> RunAsync(string[] arguments)
    {
        var root = new RootCommand("Kotonoha: a GPT trained on your machine, and cited answers from your documents.")
        {
            QuickstartCommand.Create(),
            TrainCommand.Create(),
            CleanCommand.Create(),
            SampleCommand.Create(),
            TokenizerCommands.Create(),
            TranslateCommand.Create(),
            ChatCommand.Create(),
            RunCommand.Create(),
            OptimizeCommands.Optimize(),
            OptimizeCommands.Compare(),
            IngestCommand.Create(),
            AskCommand.Create(),
            SearchCommand.Create(),
            SummarizeCommand.Create(),
            EvaluateCommand.Create(),
            DocumentsCommand.Create(),
            AuditCommand.Create(),
            ExtractCommand.Create(),
            PullCommand.Create(),
            InspectCommand.Create(),
            LookCommand.Create(),
            PerplexityCommand.Create(),
            MetricsCommand.Create(),
            ChoicesCommand.Create(),
            CrowsPairsCommand.Create(),
            ScalingCommand.Create(),
            ExportCommands.Export(),
            ExportCommands.Quantize(),
            ExportCommands.Import(),
            ExportCommands.Prune(),
            ServeCommand.Create(),
            ServeCommand.Mcp(),
            KeysCommand.Create(),
            PromptsCommand.Create(),
            WorkerCommand.Create(),
            DoctorCommand.Create(),
        };
        foreach (var command in (Command[])[.. ModelLineCommands.Create(), .. ComparisonCommands.Create()])
            root.Subcommands.Add(command);
        ComputeDevice.AddTo(root);
        var parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        string[] errors = [.. parsed.Errors.Select(ParsingErrors.Say), .. UnknownOptions(parsed)];
        if (errors.Length > 0)
        {
            foreach (var error in errors)
                Console.Error.WriteLine($"kotonoha: {error}");
            Console.Error.WriteLine("kotonoha: see 'kotonoha --help' and 'kotonoha COMMAND --help'");
            return Usage;
        }

        try
        {
            ComputeDevice.Choose(parsed);
            var invocation = new InvocationConfiguration { EnableDefaultExceptionHandler = false };

            // A server ends by itself when it is told to, and takes its time to finish answers.
            if (parsed.CommandResult.Command.Name == ServeCommand.Name)
                invocation.ProcessTerminationTimeout = null;

            // A worker ends the documents that it has in hand, and only then goes.
            if (parsed.CommandResult.Command.Name == WorkerCommand.Name)
                invocation.ProcessTerminationTimeout = Timeout.InfiniteTimeSpan;

            // A run ends its step and saves before it goes; that may take longer than the few seconds of other commands.
            if (parsed.CommandResult.Command.Name == TrainCommand.Name
                || parsed.CommandResult.Command.Parents.Any(parent => parent.Name == TrainCommand.Name))
                invocation.ProcessTerminationTimeout = Timeout.InfiniteTimeSpan;
            return await parsed.InvokeAsync(invocation);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("kotonoha: stopped");
            return Interrupted;
        }
        catch (Exception exception) when (Describe(exception) is { } message)
        {
            Console.Error.WriteLine($"kotonoha: {message}");
            if (arguments.Contains("--json"))
                Console.Out.WriteLine(JsonLines.Error(null, message));
            return exception is UsageException or ServerSettingException ? Usage : Failure;
        }
    }

    // The parser takes a misspelt option for a word of the user's.
    private static IEnumerable<string> UnknownOptions(ParseResult parsed)
    {
        var meant = new HashSet<Token>(parsed.Tokens.TakeWhile(t => t.Type != TokenType.DoubleDash), ReferenceEqualityComparer.Instance);
        return parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens)
            .Where(t => t.Value.StartsWith("--", StringComparison.Ordinal) && meant.Contains(t))
            .Select(t => $"'{t.Value}' is not an option of '{parsed.CommandResult.Command.Name}'; a text that begins with -- comes after "
                + "a bare --");
    }

    /// <summary>One clear message for an error that a person can do something about; null for a defect of the program.</summary>
    private static string? Describe(Exception exception) => exception switch
    {
        AccessException { Error: AccessError.ScopeRequired } =>
            "--require-scope refuses what is on nobody's behalf; name the tenant with --tenant NAME",
        AccessException { Error: AccessError.WholeCollection } =>
            "this concerns the documents of every tenant; run it without --tenant and --require-scope",
        KotonohaException => UserText.Of(exception.Message),
        AggregateException { InnerExceptions.Count: 1 } aggregate => Describe(aggregate.InnerExceptions[0]),
        IOException
            when (exception.HResult & 0xFFFF) == DiskFull =>
                $"the disk is full; free some space and run the same command again ({exception.Message})",
        UnauthorizedAccessException or IOException => exception.Message,
        _ => null,
    };
}

/// <summary>
/// The command line asks for something that cannot be done as it stands (a missing folder, options that exclude each other).
/// </summary>
internal sealed class UsageException(string message) : KotonohaException(message);
