# Synthesis, placement and routing of $top by itself (out of context), and reports of the result in reports/.
#
#     vivado -mode batch -source build.tcl

set here [file dirname [file normalize [info script]]]
set rtl [file join [file dirname $$here] rtl]
set top $top
set part $part
set sources {$sources
}
set memories {$memories
}

cd $$here
file mkdir reports
# A memory file that is not found would leave zeros.
set_msg_config -id {Synth 8-4445} -new_severity ERROR

create_project -in_memory -part $$part
foreach name $$sources { read_verilog -sv [file join $$rtl $$name] }
# $$readmemh finds its file in the folder where Vivado works, or by its name among the project's files.
foreach name $$memories {
    file copy -force [file join $$rtl $$name] $$here
    add_files -norecurse [file join $$rtl $$name]
    set_property file_type {Memory Initialization Files} [get_files $$name]
}
read_xdc -mode out_of_context [file join $$here $top.xdc]

synth_design -top $$top -part $$part -mode out_of_context
opt_design
place_design
phys_opt_design
route_design

report_utilization -file reports/utilization.rpt
report_utilization -hierarchical -file reports/utilization_hierarchical.rpt
report_timing_summary -file reports/timing.rpt
write_checkpoint -force $top.dcp

set slack [get_property SLACK [get_timing_paths -delay_type max]]
if {$$slack < 0} {
    puts stderr "$top misses its clock by [expr {-$$slack}] ns: see reports/timing.rpt"
    exit 3
}
